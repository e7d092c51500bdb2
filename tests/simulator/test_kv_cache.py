from pathlib import Path

import pytest
import torch

from agentworld_dag.simulator.kv_cache import roomy_cache, shared_beginning
from agentworld_dag.training.checkpoints import load_checkpoint


@pytest.mark.parametrize(
    ("sequences", "shared"),
    [
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2], [1, 2, 3]], 1),
        ([[1, 2], [1, 2]], 1),
        ([[5], [5, 6]], 0),
        ([[1, 2], [3, 4]], 0),
        ([[1, 2, 3]], 2),
    ],
)
def test_a_token_of_each_sequence_is_left_over(sequences: list[list[int]], shared: int) -> None:
    assert shared_beginning(sequences) == shared


def test_a_shared_beginning_counts_for_every_row(base: Path) -> None:
    model, _ = load_checkpoint(base / "checkpoint")
    rows = torch.tensor([[7, 8, 9, 1, 2], [7, 8, 9, 3, 4]])
    cache = roomy_cache(model.config.num_hidden_layers, rows=2, tokens=5)
    with torch.no_grad():
        model(rows[:1, :3], past_key_values=cache)
        stepwise = [model(rows[:, i : i + 1], past_key_values=cache).logits[:, 0] for i in (3, 4)]
        whole = model(rows).logits[:, 3:]
    torch.testing.assert_close(torch.stack(stepwise, dim=1), whole)
