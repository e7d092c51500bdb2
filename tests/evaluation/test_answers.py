from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.errors import ConfigError
from agentworld_dag.evaluation.answers import command_name, settings_of, work
from tests.small_loop import base, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]


def test_each_setting_answers_every_turn_once(stage, base: Path, splits: Path) -> None:
    running = stage("sft_answers", {"world_model_sft": base, "trajectory_splits": splits})
    running.options["checkpoint"] = "sft"
    metrics = work(running)
    rows = pl.read_parquet(running.out / "answers.parquet")
    counted = rows.group_by("mode", "decoding").agg(pl.struct("trajectory_id", "turn_index").n_unique().alias("n"))
    assert set(counted["n"]) == {metrics["turns"]} == {6}
    assert set(metrics["exact_match"]) == {
        "ledger_greedy",
        "ledger_sampled",
        "history_greedy",
        "ledger_sampled@0.5",
    }


def test_sft_is_asked_in_the_mode_of_cpt_too_and_all_in_that_of_the_simulator() -> None:
    preset = small_preset()
    asked = {name: {s.mode for s in settings_of(preset, name)} for name in ("cpt", "sft", "rl")}
    assert asked == {"cpt": {"history"}, "sft": {"ledger", "history"}, "rl": {"ledger"}}
    plain = preset.model_copy(update={"simulator": preset.simulator.model_copy(update={"mode": "history"})})
    assert {s.mode for name in ("sft", "rl") for s in settings_of(plain, name)} == {"history"}


def test_only_what_others_are_compared_with_gets_a_temperature_control() -> None:
    asked = {name: {s.decoding for s in settings_of(small_preset(), name)} for name in ("cpt", "sft", "rl")}
    assert "sampled@0.5" in asked["cpt"] & asked["sft"]
    assert asked["rl"] == {"greedy", "sampled"}


def test_an_unknown_checkpoint_is_refused_before_any_work(stage) -> None:
    with pytest.raises(ConfigError, match="checkpoint=None: expected one of cpt, sft, rl"):
        work(stage("answers", {}))


def test_a_command_is_named_with_its_redirection() -> None:
    assert [command_name(a) for a in ("cat a", "echo x > a", "echo x >> a", "")] == [
        "cat",
        "echo >",
        "echo >>",
        "(empty)",
    ]
