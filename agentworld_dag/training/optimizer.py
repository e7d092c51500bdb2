"""Optimizers for the Trainer: AdamW, or Muon for the hidden matrices.

Muon takes matrices only, so embeddings and norms stay with AdamW; the pair
must look like one optimizer to the Trainer, which saves, loads and schedules
it.
"""

from typing import Any, Literal

import torch
from torch import nn


class MuonWithAdamW(torch.optim.Optimizer):
    """`torch.optim.Muon` on hidden matrices and `torch.optim.AdamW` on the rest, as one optimizer."""

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        hidden = [
            p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name and "lm_head" not in name
        ]
        matrices = {id(p) for p in hidden}
        rest = [p for p in model.parameters() if id(p) not in matrices]
        self.parts = (
            torch.optim.Muon(hidden, lr=learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=learning_rate, weight_decay=0.0, betas=(0.9, 0.95)),
        )
        super().__init__([*hidden, *rest], {"lr": learning_rate})
        # One list of the parts' own group dicts: a scheduler that sets `lr` here sets it there.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, saved in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(saved)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def optimizers(
    model: nn.Module, name: Literal["muon", "adamw"], learning_rate: float
) -> tuple[torch.optim.Optimizer | None, None]:
    """As a Trainer takes them: no schedule, and no AdamW, which it makes itself over sharded weights."""
    return (MuonWithAdamW(model, learning_rate) if name == "muon" else None, None)
