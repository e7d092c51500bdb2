"""A language-model head that costs a CPU no more than the labels ask for.

TRL's trainers ask their model for the log-probabilities of labels, with
`fused_lm_head=True`. On a GPU TRL projects labelled positions only, on a CPU
every position, though most of a sample here is prompt and padding. This head
keeps TRL's contract and makes a pass cheaper by what the labels leave out
(`benchmarks/labelled_head.py`). It is for heads like Qwen3's: soft caps and
scales that other models put on their logits are left out.
"""

import functools
import types
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel
from trl.trainer.utils import FusedCausalLMOutput

IGNORED = -100
"""Label of a position outside the loss."""


def score_labels_only(model: PreTrainedModel, temperature: float = 1.0) -> None:
    """Change the head of a model that a TRL trainer has taken; does nothing to a model that is not on a CPU."""
    if model.device.type != "cpu":
        return
    trl_forward = model.forward

    @functools.wraps(type(model).forward)
    def forward(self: PreTrainedModel, *args: Any, fused_lm_head: bool = False, **inputs: Any) -> Any:
        if fused_lm_head:
            return _scores(self, inputs.pop("labels"), temperature, **inputs)
        return trl_forward(*args, **inputs)

    model.forward = types.MethodType(forward, model)


def _scores(model: PreTrainedModel, labels: torch.Tensor, temperature: float, **inputs: Any) -> FusedCausalLMOutput:
    """Per position what TRL's losses and metrics read; zero where there is no label."""
    hidden = model.base_model(**{**inputs, "use_cache": False}).last_hidden_state[:, :-1]
    labelled = labels[:, 1:] != IGNORED
    wanted = labels[:, 1:][labelled]
    head: Any = model.get_output_embeddings()
    logits = head(hidden[labelled]).float() / temperature
    log_probs = -functional.cross_entropy(logits, wanted, reduction="none")
    with torch.no_grad():
        log_p = logits.log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum(-1)
        is_top1 = logits.argmax(-1) == wanted
    spread = [
        torch.zeros_like(labelled, dtype=of.dtype).masked_scatter(labelled, of) for of in (log_probs, entropy, is_top1)
    ]
    return FusedCausalLMOutput(log_probs=spread[0], entropy=spread[1], is_top1=spread[2], label_mask=labelled)
