"""TRL's SFTTrainer with a loss that costs a CPU no more than the labels ask for.

On a GPU TRL projects through the language-model head at labelled positions
only; on a CPU it projects all of them. In a next-state sample most positions
are prompt, so this takes about a fifth off a step. What TRL computes on the
side, entropy and token accuracy, is left out there.
"""

from typing import Any

import torch
from torch.nn import functional
from trl.trainer.sft_trainer import SFTTrainer

IGNORED = -100
"""Label of a position outside the loss."""


class LabelledPositionsTrainer(SFTTrainer):
    """The same loss as SFTTrainer's: negative log-likelihood, summed over labels, divided by those of the step."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if inputs["labels"].device.type != "cpu" or return_outputs or num_items_in_batch is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")[:, 1:]
        labelled = labels != IGNORED
        with self.accelerator.autocast():
            hidden: torch.Tensor = model.base_model(**inputs, use_cache=False).last_hidden_state
            logits = model.get_output_embeddings()(hidden[:, :-1][labelled])
        return functional.cross_entropy(logits.float(), labels[labelled], reduction="sum") / num_items_in_batch
