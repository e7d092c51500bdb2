"""GRPO that passes over answers which can teach something.

Where every answer of a group earned the same, each has an advantage of 0, and
without a KL term its forward and backward pass adds nothing to the gradient.
TRL passes over all rows alike; in the world model's RL most groups agree. The
gradient stays TRL's; the logged entropy and clip ratios are of the rows passed
over. With a KL term, or a loss whose scale is not known here, TRL's own pass
is taken.
"""

from typing import Any

import torch
from trl.trainer.grpo_trainer import GRPOTrainer

MEAN_OVER_ROWS, MEAN_OVER_ALL_TOKENS = "grpo", "dapo"
"""TRL's losses: the first divides by the rows of a pass, the second by the tokens of the whole step."""


class GroupTrainer(GRPOTrainer):
    """`GRPOTrainer` at the cost of the rows whose advantage is not 0."""

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        if self.beta != 0.0 or self.loss_type not in (MEAN_OVER_ROWS, MEAN_OVER_ALL_TOKENS):
            return super()._compute_loss(model, inputs)
        teaching = inputs["advantages"] != 0
        teaching[0] |= not teaching.any()  # a loss of 0 still needs its graph
        loss = super()._compute_loss(model, {name: _rows(value, teaching) for name, value in inputs.items()})
        return loss * teaching.float().mean() if self.loss_type == MEAN_OVER_ROWS else loss


def _rows(value: Any, wanted: torch.Tensor) -> Any:
    per_row = isinstance(value, torch.Tensor) and value.shape[:1] == wanted.shape
    return value[wanted] if per_row else value
