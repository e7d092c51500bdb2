"""GRPO that passes over answers which can teach something, in an order that a resumed run finds again.

Where every answer of a group earned the same, each has an advantage of 0, and
without a KL term its forward and backward pass adds nothing to the gradient.
TRL passes over all rows alike; in the world model's RL most groups agree. The
gradient stays TRL's; the logged entropy and clip ratios are of the rows passed
over. With a KL term, or a loss whose scale is not known here, TRL's own pass
is taken.

Answers are buffered for one step and no longer: a checkpoint holds no buffer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler
from trl.trainer.grpo_trainer import GRPOTrainer

MEAN_OVER_ROWS, MEAN_OVER_ALL_TOKENS = "grpo", "dapo"
"""TRL's losses: the first divides by the rows of a pass, the second by the tokens of the whole step."""


class GroupTrainer(GRPOTrainer):
    """`GRPOTrainer` at the cost of the rows whose advantage is not 0."""

    def _get_train_sampler(self, dataset: Any = None) -> "EpochSampler":
        return EpochSampler(super()._get_train_sampler(dataset))

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        if self.beta != 0.0 or self.loss_type not in (MEAN_OVER_ROWS, MEAN_OVER_ALL_TOKENS):
            return super()._compute_loss(model, inputs)
        taken = self._taken(inputs["advantages"] != 0)
        loss = super()._compute_loss(model, {name: _rows(value, taken) for name, value in inputs.items()})
        return loss * taken.float().mean() if self.loss_type == MEAN_OVER_ROWS else loss

    def _taken(self, teaching: torch.Tensor) -> torch.Tensor:
        """The rows to pass over: in every process as many as teach in the one that has the most."""
        # One at least: a loss of 0 still needs its graph.
        counts: Any = self.accelerator.gather(teaching.sum()[None])
        count = int(counts.max().clamp(min=1))
        chosen = teaching.argsort(descending=True, stable=True)[:count]
        return torch.zeros_like(teaching).index_fill(0, chosen, True)


class EpochSampler(Sampler[int]):
    """TRL's order; an epoch depends on its number alone, and not on the epochs that this process has gone through."""

    def __init__(self, sampler: Any) -> None:
        """`sampler`: TRL's RepeatSampler."""
        self._sampler = sampler

    def set_epoch(self, epoch: int) -> None:
        if self._sampler.shuffle:
            self._sampler.generator.manual_seed(self._sampler.seed)
            for _ in range(epoch):
                torch.randperm(self._sampler.num_samples, generator=self._sampler.generator)

    def __iter__(self) -> Iterator[int]:
        return iter(self._sampler)

    def __len__(self) -> int:
        return len(self._sampler)


def _rows(value: Any, wanted: torch.Tensor) -> Any:
    per_row = isinstance(value, torch.Tensor) and value.shape[:1] == wanted.shape
    return value[wanted] if per_row else value
