"""The audit of held-out sessions against what training saw, in this round and before."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentworld_dag.benchmark.heldout import work
from agentworld_dag.stage import Stage
from agentworld_dag.trajectories.parquet import read_trajectories, write_trajectories
from agentworld_dag.trajectories.pools import SPLITS, TRAINING
from agentworld_dag.trajectories.round_plan import RoundPlan, write_plan
from tests.small_loop import splits, stage

__all__ = ["splits", "stage"]


@pytest.fixture
def distinct(splits: Path, tmp_path: Path) -> Path:
    """Pools of which no two hold the same session: made-up sessions repeat every six."""
    for number, name in enumerate(SPLITS):
        write_trajectories(
            tmp_path / f"pools/{name}.parquet", read_trajectories(splits / f"{name}.parquet")[number:][:1]
        )
    return tmp_path / "pools"


def planned(folder: Path, earlier: Path) -> Path:
    (folder / "plan").mkdir()
    write_plan(folder / "plan", RoundPlan(None, (earlier,)))
    return folder / "plan"


def test_what_this_round_does_not_train_on_is_unseen(stage: Callable[..., Stage], distinct: Path) -> None:
    found = work(stage("out", {"trajectory_splits": distinct}))
    assert found["checks"]["shared_with_training"]["any"] == 0
    assert found["audit"]["ids_seen"] == 0


@pytest.mark.parametrize("pool", TRAINING)
def test_what_an_earlier_round_trained_on_was_seen(
    stage: Callable[..., Stage], distinct: Path, tmp_path: Path, pool: str
) -> None:
    for name in SPLITS:
        source = "held_out" if name == pool else name
        write_trajectories(tmp_path / f"earlier/{name}.parquet", read_trajectories(distinct / f"{source}.parquet"))
    inputs = {"trajectory_splits": distinct, "round_plan": planned(tmp_path, tmp_path / "earlier")}
    found = work(stage("out", inputs))
    checks = sum(found["checks"]["checks"].values())
    assert found["checks"]["shared_with_training"]["any"] == checks > 0
    assert found["audit"]["clean"] == 0 < found["audit"]["ids_seen"]


def test_what_earlier_rounds_held_out_was_not_seen(stage: Callable[..., Stage], distinct: Path, tmp_path: Path) -> None:
    inputs = {"trajectory_splits": distinct, "round_plan": planned(tmp_path, distinct)}
    assert work(stage("out", inputs))["audit"]["ids_seen"] == 0
