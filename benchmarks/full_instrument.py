"""The instrument of `make run` at full size, on the newest world model of AGENTWORLD_HOME: `python
benchmarks/full_instrument.py`.

`make run` asks few of the questions that must be asked several times; this asks
all rule checks, and seven times as many turns, planted actions and replays.
Minutes on two cores. Without a finished world model it says so and is skipped.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from agentworld_dag.artifacts import RESULT, read_result
from agentworld_dag.benchmark import heldout
from agentworld_dag.config import Preset, load_preset
from agentworld_dag.evaluation import answers, benchmark_tables, drift, reliability, reliability_tables
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.measurements import load
from agentworld_dag.evaluation.standing import passed
from agentworld_dag.evaluation.summary import reliability_section
from agentworld_dag.evaluation.tables import to_text
from agentworld_dag.home import home, preset_path
from agentworld_dag.stage import Stage

ALL_CHECKS = 100_000
MORE = 7


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    found = sorted(home().lake.glob(f"world_model_rl/*/*/{RESULT}"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.stdout.write(f"skipped: no world model in {home().lake}; `make run` makes one\n")
        return
    world_model = found[-1].parent
    result, preset = read_result(world_model), larger(load_preset(preset_path("tiny")))
    inputs = {"world_model_rl": world_model, "trajectory_splits": Path(result["inputs"]["trajectory_splits"])}
    with tempfile.TemporaryDirectory() as out:
        measure(preset, result["seed"], inputs, Path(out))


def larger(preset: Preset) -> Preset:
    """The preset with every count of the instrument raised."""
    few = preset.evaluation.reliability
    counts = {name: MORE * getattr(few, name) for name in ("turns", "planted_turns", "replay_episodes")}
    more = few.model_copy(update=counts | {"consistency_samples": 8, "replays": 5})
    return preset.model_copy(
        update={
            "evaluation": preset.evaluation.model_copy(update={"reliability": more}),
            "benchmark": preset.benchmark.model_copy(update={"checks_per_axis": ALL_CHECKS}),
        }
    )


def measure(preset: Preset, seed: int, inputs: dict[str, Path], out: Path) -> None:
    """Runs the stages and prints their tables."""

    def run(work: Any, name: str, inputs: dict[str, Path]) -> Path:
        options = {"checkpoint": "rl"} if work is answers.work else {}
        stage = Stage(preset, seed, out / name, inputs, options, logging.getLogger(name))
        stage.out.mkdir()
        stage.log(json.dumps(work(stage)))
        return stage.out

    benchmark = run(heldout.work, "heldout_benchmark", inputs)
    asked = run(answers.work, "rl_answers", inputs | {"heldout_benchmark": benchmark})
    free, trust = run(drift.work, "drift", inputs), run(reliability.work, "reliability", inputs)
    files = {"checks": asked / "checks.parquet"}
    files |= {name: free / f"{name}.parquet" for name in ("drift", "write_then_read")}
    files |= {name: trust / f"{name}.parquet" for name in ("calibration", "replays", "error_path")}
    rows, plan = load(files, seed, preset.simulator.mode), Resampling(preset.evaluation.bootstrap_samples, seed)
    report = {"checks": passed(rows.checks, plan), "reliability": reliability_section(rows, plan)}
    tables = [benchmark_tables.checks_table(report), *reliability_tables.all_tables(report)]
    sys.stdout.write("\n\n".join(map(to_text, tables)) + "\n")


if __name__ == "__main__":
    main()
