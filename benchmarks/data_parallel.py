"""Several processes against one on the same steps: `python benchmarks/data_parallel.py`.

One process, and `--processes` of them through `agentworld_dag.launch`, each with as
many threads, train a model from random weights by SFT on the same batches of real
sessions recorded here. Pairs take turns. Seconds are those between the logged
steps, the first fifth left out; start-up, tokenising and saving are not in them.
On a machine without GPUs gloo carries the gradients. Prints Markdown; ends
with 1 and a line when a run fails, or when the losses of an equal batch differ by
more than the rounding of bfloat16.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agentworld_dag.config import load_preset
from agentworld_dag.errors import AgentWorldError, TrainError
from agentworld_dag.home import preset_path
from benchmarks.speed.children import run_module
from benchmarks.speed.machine import described
from benchmarks.speed.material import Material, default_preset, make_material
from benchmarks.speed.pairing import mean, ratio, table

SCRIPT = "agentworld_dag.training.sft"
BY_ROUNDING = 0.01
"""Share of a loss that half precision may make of other sums of the same products."""


@dataclass(frozen=True)
class Timed:
    steps_per_s: float
    first_losses: list[float]


def main() -> None:
    options = _options()
    try:
        with tempfile.TemporaryDirectory() as folder:
            report(options, Path(folder))
    except AgentWorldError as error:
        sys.exit(f"data_parallel: {error}")


def report(options: argparse.Namespace, folder: Path) -> None:
    found_at = described(options.seed)
    material = make_material(options.preset, changes(options), options.sessions, options.seed, folder)
    runs: dict[int, list[Timed]] = {1: [], options.processes: []}
    for number in range(options.repeats):
        for processes in sorted(runs, reverse=number % 2 == 1):
            runs[processes].append(one_run(material, processes, number, options))
    check_losses(runs[1][0], runs[options.processes][0])
    settings = material.preset.sft
    print("\n".join(["### Several processes against one", "", *found_at]))
    print(
        f"- preset {material.preset.name}, {settings.tokens_per_step:,} tokens a step in {settings.passes_per_step} "
        f"passes, {options.steps} steps, {options.repeats} pairs; threads of each process: {options.threads}\n"
    )
    rows = [(count, mean([run.steps_per_s for run in found])) for count, found in runs.items()]
    print(table(("processes", "steps/s [95 %]"), rows) + "\n")
    speed_up = ratio(*([run.steps_per_s for run in runs[count]] for count in (options.processes, 1)))
    print(f"{options.processes} processes take {speed_up} times the steps a second of one.")


def changes(options: argparse.Namespace) -> dict[str, Any]:
    sft = {"steps": options.steps, "save_every_steps": 10 * options.steps, "threads": options.threads}
    tokens = {"tokens_per_step": options.tokens} if options.tokens else {}
    return {"threads": options.threads, "sft": {**sft, **tokens}}


def one_run(material: Material, processes: int, number: int, options: argparse.Namespace) -> Timed:
    name = f"{processes}-processes-{number}"
    flags = [SCRIPT, "--config", material.preset_file, "--seed", options.seed, "--out", material.folder / name]
    flags += ["--input", f"world_model_cpt={material.base}", "--input", f"trajectory_splits={material.splits}"]
    module, *rest = flags if processes == 1 else ["agentworld_dag.launch", "--processes", processes, *flags]
    run_module(str(module), rest, material.folder / f"{name}.log")
    lines = (material.folder / name / "metrics.jsonl").read_text().splitlines()
    logged = [line for line in map(json.loads, lines) if "loss" in line["metrics"]]
    counted = logged[len(logged) // 5 :]
    seconds, steps = (counted[-1][key] - counted[0][key] for key in ("at", "step"))
    return Timed(steps / seconds, [line["metrics"]["loss"] for line in logged[:3]])


def check_losses(one: Timed, several: Timed) -> None:
    for expected, found in zip(one.first_losses, several.first_losses, strict=True):
        if abs(found - expected) > BY_ROUNDING * expected:
            raise TrainError(f"several processes see losses {several.first_losses}, one sees {one.first_losses}")


def _options() -> argparse.Namespace:
    on_gpu = torch.cuda.is_available()
    preset = default_preset()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default=preset, help="name or path")
    parser.add_argument("--processes", type=int, default=max(2, torch.cuda.device_count()))
    parser.add_argument("--sessions", type=int, default=2000 if on_gpu else 300, help="real ones, recorded first")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--tokens", type=int, help="of a step; the preset's unless set")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs")
    parser.add_argument("--threads", type=int, default=load_preset(preset_path(preset)).threads, help="of each process")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
