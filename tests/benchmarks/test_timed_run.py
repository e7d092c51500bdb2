"""Both sides for real, in processes of their own, on a model that takes seconds."""

import json
import math
from pathlib import Path

import pytest

from agentworld_dag.errors import RunError
from benchmarks.speed.children import run_module
from benchmarks.speed.material import Material, write_preset
from benchmarks.speed.timing import timed
from benchmarks.speed.trl_side import cpt_samples, supervised_flags, write_samples
from tests.small_loop import small_preset

TIMED_RUN = "benchmarks.speed.timed_run"


@pytest.mark.slow
def test_a_stage_and_trls_script_leave_records_that_compare(tmp_path: Path, splits: Path, base: Path):
    preset = write_preset(tmp_path / "preset.yaml", small_preset(), {"cpt": {"optimizer": "adamw"}})
    material = Material(tmp_path, tmp_path / "preset.yaml", preset, splits, base)
    data = write_samples(cpt_samples(material, 0), tmp_path / "data")
    inputs = ["--input", f"base_model={base}", "--input", f"trajectory_splits={splits}"]
    ours = ["--config", material.preset_file, *inputs, "--out", tmp_path / "ours"]
    trl = supervised_flags(material, data, "cpt", 0, tmp_path / "trl")
    for side, flags in (("ours", ours), ("trl", trl)):
        record = tmp_path / f"{side}.json"
        run_module(TIMED_RUN, [side, "cpt", record, *flags], tmp_path / f"{side}.log")
        found = timed(json.loads(record.read_text()), 1, "loss")
        assert (found.steps, len(found.values)) == (preset.cpt.steps - 1, preset.cpt.steps)
        assert found.tokens > 0
        assert found.peak_gib > 0
        assert found.values[0] == pytest.approx(math.log(preset.model.vocab_size), rel=0.2)


def test_a_run_that_fails_is_told_in_one_line(tmp_path: Path):
    with pytest.raises(RunError, match=r"it-broke \(benchmarks.speed.timed_run\) ended with code 1: .*ConfigError"):
        flags = ["ours", "cpt", tmp_path / "record.json", "--config", tmp_path / "none.yaml", "--out", tmp_path / "out"]
        run_module(TIMED_RUN, flags, tmp_path / "it-broke.log")
