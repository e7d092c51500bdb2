from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.benchmark.samples import read_benchmark
from agentworld_dag.errors import ConfigError
from agentworld_dag.evaluation.answers import command_name, settings_of, work
from agentworld_dag.stage import Stage
from tests.small_loop import base, heldout, small_preset, splits, stage

__all__ = ["base", "heldout", "splits", "stage"]


def answered(stage, base: Path, splits: Path, heldout: Path, checkpoint: str) -> Stage:
    inputs = {f"world_model_{checkpoint}": base, "heldout_benchmark": heldout, "trajectory_splits": splits}
    running = stage(f"{checkpoint}_answers", inputs)
    running.options["checkpoint"] = checkpoint
    return running


def test_each_setting_answers_every_sample_once(stage, base: Path, splits: Path, heldout: Path) -> None:
    running = answered(stage, base, splits, heldout, "sft")
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


def test_the_samples_are_the_benchmarks_own(stage, base: Path, splits: Path, heldout: Path) -> None:
    running = answered(stage, base, splits, heldout, "cpt")
    work(running)
    rows = pl.read_parquet(running.out / "answers.parquet").filter(checkpoint="copy")
    samples = read_benchmark(heldout / "data").samples
    assert list(zip(rows["trajectory_id"], rows["turn_index"] + 1, strict=True)) == [s.key[1:] for s in samples]


def test_every_check_is_answered_in_both_modes_and_by_the_baseline(
    stage, base: Path, splits: Path, heldout: Path
) -> None:
    running = answered(stage, base, splits, heldout, "cpt")
    metrics = work(running)
    rows = pl.read_parquet(running.out / "checks.parquet")
    counted = dict(rows.group_by("checkpoint", "mode").len().rows_by_key(("checkpoint", "mode")))
    expected = {("copy", "history"), ("cpt", "history"), ("cpt", "ledger")}
    assert counted == {key: [(metrics["checks"],)] for key in expected}
    assert set(rows["axis"]) == {"controllability", "error", "consistency"}


def test_all_are_asked_greedily_in_both_modes_and_sampled_in_their_own() -> None:
    preset = small_preset()
    sampled = {name: {s.mode for s in settings_of(preset, name) if s.temperature} for name in ("cpt", "sft", "rl")}
    greedy = {name: {s.mode for s in settings_of(preset, name) if not s.temperature} for name in ("cpt", "sft", "rl")}
    assert sampled == {"cpt": {"history"}, "sft": {"ledger"}, "rl": {"ledger"}}
    assert all(modes == {"ledger", "history"} for modes in greedy.values())


def test_only_what_others_are_compared_with_gets_a_temperature_control() -> None:
    asked = {name: {s.decoding for s in settings_of(small_preset(), name)} for name in ("cpt", "sft", "rl")}
    assert "sampled@0.5" in asked["cpt"] & asked["sft"]
    assert asked["rl"] == {"greedy", "sampled"}


def test_an_unknown_checkpoint_is_refused_before_any_work(stage) -> None:
    with pytest.raises(ConfigError, match="checkpoint=None: expected one of cpt, sft, rl"):
        work(stage("answers", {"heldout_benchmark": Path()}))


def test_a_command_is_named_with_its_redirection() -> None:
    assert [command_name(a) for a in ("cat a", "echo x > a", "echo x >> a", "")] == [
        "cat",
        "echo >",
        "echo >>",
        "(empty)",
    ]
