"""A candidate beside a champion on sessions of a real shell; the simulators say one thing always."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.evaluation import comparison
from agentworld_dag.evaluation.comparison_plot import draw_comparison
from agentworld_dag.evaluation.simulator_answers import copied
from agentworld_dag.stage import Stage
from agentworld_dag.trajectories.parquet import read_trajectories, write_trajectories
from agentworld_dag.trajectories.pools import EARLIER_HELD_OUT, SPLITS
from agentworld_dag.trajectories.round_plan import Champion, RoundPlan, write_plan
from agentworld_dag.trajectories.schema import Trajectory
from tests.evaluation.constant_simulator import PROMPT, UNUSABLE, constant, shares, use_constant_simulators
from tests.small_loop import base, make_trajectory, splits, stage

__all__ = ["base", "splits", "stage"]

EARLIER = [make_trajectory(number) for number in range(100, 106)]


@pytest.fixture
def compare(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, base: Path, splits: Path, tmp_path: Path
) -> Callable[..., tuple[Stage, dict[str, Any]]]:
    """Runs the comparison of a candidate that always says `candidate` with a champion, if any."""
    use_constant_simulators(monkeypatch, comparison, base / "checkpoint")

    def run(candidate: str, champion: str | None = None, earlier: bool = False) -> tuple[Stage, dict[str, Any]]:
        inputs = {"simulator": constant(tmp_path / "candidate", candidate), "trajectory_splits": splits}
        if champion:
            inputs["round_plan"] = planned(tmp_path, constant(tmp_path / "champion", champion))
        if earlier:
            inputs["trajectory_splits"] = with_earlier(splits, tmp_path / "splits")
        running = stage("comparison", inputs)
        running.round_name = "round-0002" if champion else "round-0001"
        return running, comparison.work(running)

    return run


def planned(folder: Path, simulator: Path) -> Path:
    (folder / "plan").mkdir()
    write_plan(folder / "plan", RoundPlan(Champion("world-model-1", simulator, simulator), ()))
    return folder / "plan"


def with_earlier(splits: Path, folder: Path) -> Path:
    for name in SPLITS:
        write_trajectories(folder / f"{name}.parquet", read_trajectories(splits / f"{name}.parquet"))
    write_trajectories(folder / EARLIER_HELD_OUT, EARLIER)
    return folder


def written(running: Stage, name: str) -> Any:
    return json.loads((running.out / name).read_text())


def share_of(sessions: list[Trajectory], says: str) -> float:
    """Over all turns."""
    return sum(share * len(each.turns) for share, each in zip(shares(sessions, says), sessions, strict=True)) / sum(
        len(each.turns) for each in sessions
    )


def copied_share(sessions: list[Trajectory]) -> float:
    rows = copied("copy", sessions, FIRST_OBSERVATION)
    return sum(row["exact"] for row in rows) / len(rows)


def test_the_first_round_stands_beside_copying(compare: Any, splits: Path) -> None:
    running, metrics = compare(PROMPT)
    held_out = read_trajectories(splits / "held_out.parquet")[:8]
    found = written(running, "comparison.json")
    assert set(found) == {"fresh", "held_out"}, "no round before this one held anything out"
    assert metrics["sessions"] == {"fresh": 8, "held_out": 8, "earlier": 0}, "as many as a probe has"
    one = found["held_out"]["fidelity"]
    expected = {"candidate": share_of(held_out, PROMPT), "copy": copied_share(held_out)}
    assert {side: one[side]["value"] for side in expected} == pytest.approx(expected)
    assert one["difference"]["value"] == pytest.approx(expected["candidate"] - expected["copy"])
    assert set(found["held_out"]["self_fed_fidelity"]) == {"candidate"}, "copying has no answers of its own to go on"


def test_a_later_round_stands_beside_the_champion_on_all_three_sets(compare: Any, splits: Path) -> None:
    running, metrics = compare(PROMPT, champion="red\n~$", earlier=True)
    sets = {
        "fresh": read_trajectories(running.out / "episodes.parquet"),
        "held_out": read_trajectories(splits / "held_out.parquet")[:8],
        "earlier": EARLIER,
    }
    for name, sessions in sets.items():
        shown = metrics[name]
        expected = {"candidate": share_of(sessions, PROMPT), "champion": share_of(sessions, "red\n~$")}
        assert {side: shown[side]["value"] for side in expected} == pytest.approx(expected)
        assert set(shown) == {*expected, "difference"}
    fed = written(running, "comparison.json")["earlier"]["self_fed_fidelity"]
    assert fed["candidate"]["clusters"] == 3
    assert fed["candidate"]["value"] == pytest.approx(share_of(EARLIER[:3], PROMPT)), "an empty patch changes no answer"


def test_by_command_the_sides_are_told_apart(compare: Any, splits: Path) -> None:
    running, _ = compare(PROMPT, champion=UNUSABLE)
    found = written(running, "comparison.json")["held_out"]["by_command"]
    values = {name: (sides["candidate"]["value"], sides["champion"]["value"]) for name, sides in found.items()}
    assert values == {"cat": (0.0, 0.0), "echo >": (1.0, 0.0)}
    answers = pl.read_parquet(running.out / "answers.parquet").filter(side="champion")
    assert answers["failed"].all()


def test_scores_are_the_candidate_s_on_fresh_sessions(compare: Any) -> None:
    running, _ = compare(PROMPT, champion=UNUSABLE)
    fresh = read_trajectories(running.out / "episodes.parquet")
    assert written(running, "scores.json") == {"terminal": pytest.approx(shares(fresh, PROMPT), abs=1e-6)}


def test_another_round_has_fresh_sessions_of_its_own(compare: Any, tmp_path: Path) -> None:
    running, _ = compare(PROMPT)
    first = {each.id for each in read_trajectories(running.out / "episodes.parquet")}
    running.round_name = "round-0002"
    comparison.work(running)
    second = {each.id for each in read_trajectories(running.out / "episodes.parquet")}
    assert first
    assert not first & second


def test_the_rollouts_lead_from_the_candidate_s_worst_to_its_best(compare: Any, tmp_path: Path) -> None:
    sessions = [make_trajectory(number) for number in range(12)]
    worst, best = sessions[7], sessions[3]
    rows = [
        row(side, each, index, right)
        for each in sessions
        for index in range(3)
        for side, right in (("candidate", each is not worst), ("champion", each is not best))
    ]
    shown = comparison.rollouts(pl.DataFrame(rows, infer_schema_length=None), sessions)
    assert len(shown) == comparison.SHOWN_ROLLOUTS
    assert (shown[0].title, shown[-1].title) == (worst.id, best.id)
    assert [turn.exact for turn in shown[0].turns] == [False] * 3
    assert [turn.predicted for turn in shown[0].turns] == ["wrong"] * 3
    assert [turn.champion for turn in shown[0].turns] == [turn.truth for turn in shown[0].turns]
    assert [turn.champion for turn in shown[-1].turns] == ["wrong"] * 3


def test_few_sessions_are_shown_once_each_and_copying_is_not_shown_as_a_champion(compare: Any) -> None:
    running, _ = compare(UNUSABLE)
    shown = written(running, "rollouts.json")
    fresh = {each.id: each for each in read_trajectories(running.out / "episodes.parquet")}
    assert len(shown) == len({each["title"] for each in shown}) == len(fresh) == 8
    for each in shown:
        assert each["initial_state"] == fresh[each["title"]].system.initial_state
        assert {(turn["predicted"], turn["champion"], turn["exact"]) for turn in each["turns"]} == {(None, None, False)}
    few = list(fresh.values())[:3]
    answers = pl.read_parquet(running.out / "answers.parquet").filter(set="fresh")
    assert len(comparison.rollouts(answers, few)) == 3


def row(side: str, episode: Trajectory, index: int, right: bool) -> dict[str, Any]:
    answer = episode.turns[index].observation if right else "wrong"
    told = {"side": side, "regime": "one_step", "trajectory_id": episode.id, "turn_index": index}
    return told | {"answer": answer, "exact": right, "failed": False}


def test_the_picture_is_drawn(compare: Any) -> None:
    running, _ = compare(PROMPT, champion=UNUSABLE, earlier=True)
    assert (running.out / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_one_side_and_one_set_is_drawn(tmp_path: Path) -> None:
    alone = {"candidate": {"value": 1.0, "low": 1.0, "high": 1.0, "n": 3, "clusters": 1}}
    draw_comparison({"fresh": {"fidelity": alone}}, tmp_path / "comparison.png")
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
