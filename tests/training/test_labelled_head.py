from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel
from trl.trainer.utils import FusedCausalLMOutput, add_fused_lm_head

from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.labelled_head import IGNORED, score_labels_only

TOKENS = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 12, 0, 0]])
LABELS = torch.tensor([[IGNORED, IGNORED, 7, 8, 9], [IGNORED, 11, IGNORED, IGNORED, IGNORED]])
NONE = torch.full_like(LABELS, IGNORED)


def trl_model(base: Path, temperature: float) -> PreTrainedModel:
    model, _ = load_checkpoint(base / "checkpoint")
    add_fused_lm_head(model, temperature, outputs=("log_probs", "entropy", "is_top1"))
    return model


def scored(model: PreTrainedModel, labels: torch.Tensor) -> tuple[FusedCausalLMOutput, torch.Tensor]:
    """What the head says, and the gradient of a loss that weights positions unlike."""
    mask = (TOKENS != 0).long()
    found = model(input_ids=TOKENS, attention_mask=mask, labels=labels, fused_lm_head=True)
    (found.log_probs * torch.arange(1, 9).reshape(2, 4)).sum().backward()
    return found, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("labels", [LABELS, NONE], ids=["some", "none"])
def test_scores_and_gradient_are_those_of_trl(base: Path, temperature: float, labels: torch.Tensor) -> None:
    expected, gradient = scored(trl_model(base, temperature), labels)
    model = trl_model(base, temperature)
    score_labels_only(model, temperature)
    found, labelled_gradient = scored(model, labels)
    for name in ("log_probs", "entropy", "is_top1", "label_mask"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(labelled_gradient, gradient, rtol=1e-4, atol=1e-6)
    assert bool(labelled_gradient.any()) == bool((labels != IGNORED).any())


def test_without_labels_to_score_the_model_answers_as_before(base: Path) -> None:
    model = trl_model(base, 1.0)
    logits = model(input_ids=TOKENS).logits
    score_labels_only(model)
    assert torch.equal(model(input_ids=TOKENS).logits, logits)
