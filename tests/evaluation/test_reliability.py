from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.evaluation.measurements import load
from agentworld_dag.evaluation.reliability import WorldModel, calibration_rows, work
from agentworld_dag.simulator.in_process import load_engine
from agentworld_dag.simulator.teacher_forced import Place
from agentworld_dag.training.tokenizer import ChatEncoder
from tests.small_loop import base, make_trajectory, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]


@pytest.fixture
def measured(stage, base: Path, splits: Path) -> Path:
    preset = small_preset()
    quick = preset.simulator.model_copy(update={"max_new_tokens": 8})
    running = stage("reliability", {"world_model_rl": base, "trajectory_splits": splits}, simulator=quick)
    metrics = work(running)
    assert (metrics["turns"], metrics["planted"], metrics["unanswered"]) == (6, 6, 0)
    return running.out


def test_every_turn_gets_a_confidence_in_both_modes(measured: Path) -> None:
    rows = pl.read_parquet(measured / "calibration.parquet")
    assert rows.group_by("mode").len()["len"].to_list() == [6, 6]
    for name in ("answer_probability", "token_probability", "agreement"):
        assert rows[name].is_between(0, 1).all()


def test_every_action_is_replayed_as_often_as_asked_at_both_temperatures(measured: Path) -> None:
    rows = pl.read_parquet(measured / "replays.parquet")
    counted = rows.group_by("mode", "temperature", "replay").agg(pl.struct("trajectory_id", "turn_index").n_unique())
    assert counted["trajectory_id"].to_list() == [6] * 8


def test_recorded_turns_are_classed_by_their_outcome_and_planted_ones_by_what_they_are(measured: Path) -> None:
    rows = pl.read_parquet(measured / "error_path.parquet").filter(mode="ledger")
    assert set(rows["action_class"]) == {"recorded_ok", "recorded_error", "malformed", "empty", "illegal"}
    outcomes = dict(rows.group_by("action_class").agg(pl.col("real_error").unique()).iter_rows())
    assert outcomes["recorded_ok"] == outcomes["empty"] == [False]
    assert outcomes["recorded_error"] == outcomes["malformed"] == outcomes["illegal"] == [True]


def test_the_report_can_read_what_is_written(measured: Path) -> None:
    files = {name: measured / f"{name}.parquet" for name in ("calibration", "replays", "error_path")}
    found = load(files, seed=0, mode="ledger")
    assert (len(found.calibration), len(found.replays), len(found.error_path)) == (12, 48, 24)


class Echo(WorldModel):
    """A world model whose greedy answer is the truth and whose samples are wrong every other time."""

    def observations(self, answers: list[list[int]]) -> list[str | None]:
        truth = Place(make_trajectory(0), 0).truth
        return [truth if len(answers) == 1 or i % 2 else "wrong" for i in range(len(answers))]


def test_confidence_is_set_beside_whether_the_greedy_answer_is_right(base: Path) -> None:
    engine = load_engine(base / "checkpoint", 0)
    model = Echo(engine, ChatEncoder(engine.tokenizer), small_preset())
    row = calibration_rows(model, [Place(make_trajectory(0), 0)], "ledger")[0]
    assert (row["exact"], row["agreement"], row["failed"]) == (True, 0.5, False)
