"""Agents on fresh tasks in a real shell."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from agentworld_dag.agents.rollout import Rollout
from agentworld_dag.environments.tasks import make_task
from agentworld_dag.evaluation import policy_comparison
from agentworld_dag.stage import Stage
from tests.small_loop import base, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]


@pytest.fixture
def compare(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Runs the comparison with the given agents, all of them the untrained base."""
    monkeypatch.setenv("AGENTWORLD_HOME", str(tmp_path / "home"))

    def run(inputs: dict[str, Path], round_name: str = "round-0001") -> tuple[pl.DataFrame, dict[str, Any]]:
        agent = small_preset().agent.model_copy(update={"max_new_tokens": 8})
        running = stage(round_name, inputs, agent=agent)
        running.round_name = round_name
        metrics = policy_comparison.work(running)
        assert json.loads((running.out / "comparison.json").read_text()) == metrics
        assert (running.out / "comparison.png").read_bytes().startswith(b"\x89PNG")
        shown = (running.out / "episodes.md").read_text()
        for side in ("candidate", "champion"):
            assert (f"### {side}: " in shown) == (policy_comparison.INPUTS[side] in inputs)
        return pl.read_parquet(running.out / "rollouts.parquet"), metrics

    return run


def test_all_three_meet_the_same_tasks(compare: Any, base: Path) -> None:
    agents = {"agent_sim_rl": base, "champion_agent": base, "agent_base": base}
    rows, metrics = compare(agents, "round-0002")
    met = rows.group_by("side").agg(pl.col("task_id").sort())
    assert set(met["side"]) == {"candidate", "champion", "base"}
    assert met["task_id"].n_unique() == 1
    assert len(met["task_id"][0]) == small_preset().probe.tasks
    assert set(metrics["success"]) == {"candidate", "champion", "difference"}
    assert set(metrics["against_base"]) == {"candidate", "base", "difference"}
    assert metrics["success"]["difference"]["value"] == 0.0, "equal agents do the same"


def test_without_a_champion_only_the_start_of_practice_stands_beside(compare: Any, base: Path) -> None:
    rows, metrics = compare({"agent_sim_rl": base, "agent_base": base})
    assert set(metrics["success"]) == {"candidate"}
    assert metrics["success"]["candidate"]["value"] == rows.filter(side="candidate")["success"].mean()
    assert "difference" in metrics["against_base"]


def test_another_round_has_tasks_of_its_own(compare: Any, base: Path) -> None:
    (one, _), (other, _) = (compare({"agent_sim_rl": base}, name) for name in ("round-0001", "round-0002"))
    assert not set(one["task_id"]) & set(other["task_id"])


def played(number: int, *, solved: bool) -> Rollout:
    task = replace(make_task("evaluation", number), instruction=f"task {number}")
    return Rollout(task, ("ls",), ("memo",), solved, "", 0)


def test_episodes_to_read_lead_from_tasks_only_the_champion_solved_to_those_only_the_candidate_did() -> None:
    mine = [played(number, solved=number != 7) for number in range(12)]
    other = [played(number, solved=number != 3) for number in range(12)]
    shown = policy_comparison.episodes({"candidate": mine, "champion": other, "base": other})
    assert len(shown) == 2 * policy_comparison.SHOWN_TASKS
    assert [text.splitlines()[0] for text in shown[:2]] == ["### candidate: task 7", "### champion: task 7"]
    assert [text.splitlines()[0] for text in shown[-2:]] == ["### candidate: task 3", "### champion: task 3"]
    assert "Ended not solved." in shown[0]
    assert "$ ls\nmemo" in shown[0]


def test_few_tasks_are_shown_once_and_beside_the_start_of_practice_where_there_is_no_champion() -> None:
    few = [played(number, solved=True) for number in range(3)]
    assert len(policy_comparison.episodes({"candidate": few})) == 3
    shown = policy_comparison.episodes({"candidate": few, "base": few})
    assert [text.split(":")[0] for text in shown] == ["### candidate", "### base"] * 3
