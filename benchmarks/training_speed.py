"""Our training stages against TRL's own scripts with their default settings: `python benchmarks/training_speed.py`.

The same model from random weights (preset `small`, a Qwen3-0.6B's shape, where
there is a GPU, else `tiny`), the same samples of real sessions recorded here,
the same steps, rate, optimizer (AdamW) and about the same tokens a step: CPT
and SFT against `trl sft`, GRPO against `trl grpo`. Every run is a process of
its own; ours and TRL's take turns, and who begins does, too. The clock of both
is a callback; the first fifth of the steps is not counted, nor are start-up,
tokenising and the final checkpoint. Prints Markdown; ends with 1 and a line when a run fails.

Left out: several GPUs, and the real reward of GRPO, of which random weights
earn nothing (`speed/rewards.py`). So what our trainer saves on groups that
agree is not in the ratio.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agentworld_dag.config import load_preset
from agentworld_dag.errors import AgentWorldError
from agentworld_dag.home import preset_path
from benchmarks.speed.children import run_module
from benchmarks.speed.machine import described
from benchmarks.speed.material import Material, default_preset, make_material, write_preset
from benchmarks.speed.operations import operations, peak
from benchmarks.speed.pairing import mean, ratio, shown, table, verdict
from benchmarks.speed.timing import Timed, last_quarter, timed
from benchmarks.speed.trl_side import (
    ROWS_PER_PASS,
    DataSet,
    cpt_samples,
    group_flags,
    passes,
    sft_samples,
    supervised_flags,
    write_prompts,
    write_samples,
)

AIM = 1.5
STAGES = {"cpt": "base_model", "sft": "world_model_cpt", "world_model_rl": "world_model_sft"}
"""And the input from which each takes its model; here it is the random one for all."""
TRL_SAVES_EVERY = 500
"""Its default. Here nobody saves before the end."""
HEADER = ("stage", "by", "tokens/s", "MFU", "peak GiB", "tokens a step", "value, first step", "last quarter")


@dataclass(frozen=True)
class Contest:
    """One stage, with the flags of both sides."""

    stage: str
    ours: list[Any]
    trl: list[Any]
    data: DataSet


def main() -> None:
    options = _options()
    try:
        with tempfile.TemporaryDirectory() as folder:
            report(options, Path(folder))
    except AgentWorldError as error:
        sys.exit(f"training_speed: {error}")


def report(options: argparse.Namespace, folder: Path) -> None:
    set_threads(options)
    found_at = described(options.seed)
    told(f"preset {options.preset}: recording {options.sessions} sessions, building the model")
    material = make_material(options.preset, changes(options), options.sessions, options.seed, folder)
    contests = {stage: contest(material, stage, options.seed) for stage in options.stages}
    runs = {stage: measured(contests[stage], material, options) for stage in options.stages}
    per_second, source = peak(material.preset)
    print("\n".join(["### Training against TRL's scripts", "", *found_at, *facts(material, options)]))
    print(f"- peak of MFU: {per_second / 1e12:.3g} TFLOP/s, {source}\n")
    rows = [row for stage in runs for row in stage_rows(contests[stage], material, runs[stage], per_second)]
    print(table(HEADER, rows) + "\n")
    print(table(("stage", "tokens/s, ours to TRL's [95 %]", "pairs", "aim"), [ratio_row(runs[s], s) for s in runs]))


def set_threads(options: argparse.Namespace) -> None:
    """Of this process, which measures the peak, and of all that it starts."""
    options.threads = options.threads or load_preset(preset_path(options.preset)).threads
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    torch.set_num_threads(options.threads)


def changes(options: argparse.Namespace) -> dict[str, Any]:
    """Of the preset: AdamW as TRL has it, so that losses may be compared, and no checkpoint on the way."""
    same = {"optimizer": "adamw", "save_every_steps": TRL_SAVES_EVERY}
    supervised = {**same, "steps": options.steps, "threads": options.threads}
    return {
        "threads": options.threads,
        "cpt": supervised,
        "sft": {**supervised, "rehearsal_share": 0.0},
        "world_model_rl": {**same, "steps": options.group_steps},
    }


def contest(material: Material, stage: str, seed: int) -> Contest:
    """TRL's data on disk, and a preset for ours whose steps have as many tokens as TRL's rows."""
    data, preset_file = _data(material, stage, seed), material.preset_file
    if stage == "world_model_rl":
        trl = group_flags(material, data, seed, material.folder / f"trl-{stage}")
    else:
        trl = supervised_flags(material, data, stage, seed, material.folder / f"trl-{stage}")
        wanted = getattr(material.preset, stage).tokens_per_step
        rows = ROWS_PER_PASS * passes(wanted, data.mean_tokens)
        preset_file = material.folder / f"{stage}.yaml"
        write_preset(preset_file, material.preset, {stage: {"tokens_per_step": round(rows * data.mean_tokens)}})
    ours = ["--config", preset_file, "--seed", seed]
    ours += ["--input", f"{STAGES[stage]}={material.base}", "--input", f"trajectory_splits={material.splits}"]
    return Contest(stage, ours, trl, data)


def _data(material: Material, stage: str, seed: int) -> DataSet:
    folder = material.folder / f"data-{stage}"
    if stage == "world_model_rl":
        return write_prompts(material, seed, folder)
    return write_samples((cpt_samples if stage == "cpt" else sft_samples)(material, seed), folder)


def measured(contest: Contest, material: Material, options: argparse.Namespace) -> dict[str, list[Timed]]:
    """The runs of both sides, in pairs."""
    runs: dict[str, list[Timed]] = {"ours": [], "trl": []}
    for number in range(options.repeats):
        for side in ("ours", "trl") if number % 2 == 0 else ("trl", "ours"):
            runs[side].append(one_run(contest, material, side, number))
            told(f"{contest.stage} {number + 1}/{options.repeats} {side}: {runs[side][-1].tokens_per_s:,.0f} tokens/s")
    return runs


def one_run(contest: Contest, material: Material, side: str, number: int) -> Timed:
    name = f"{contest.stage}-{side}-{number}"
    record = material.folder / f"{name}.json"
    flags = contest.trl if side == "trl" else [*contest.ours, "--out", material.folder / name]
    run_module("benchmarks.speed.timed_run", [side, contest.stage, record, *flags], material.folder / f"{name}.log")
    settings = getattr(material.preset, contest.stage)
    warm_up = max(1, settings.steps // 5)
    if contest.stage != "world_model_rl":
        return timed(json.loads(record.read_text()), warm_up, "loss")
    return timed(json.loads(record.read_text()), warm_up, "reward", settings.prompts_per_step * settings.group_size)


def stage_rows(
    contest: Contest, material: Material, runs: dict[str, list[Timed]], peak_per_s: float
) -> list[list[object]]:
    return [
        [
            contest.stage,
            {"ours": "ours", "trl": "TRL"}[side],
            mean([run.tokens_per_s for run in found]),
            f"{100 * mean([utilisation(contest, material, run, peak_per_s) for run in found]).value:.2g} %",
            shown(max(run.peak_gib for run in found)),
            f"{found[0].tokens / found[0].steps:,.0f}",
            f"{found[0].values[0]:.3f}",
            f"{sum(last_quarter(run.values) for run in found) / len(found):.3f}",
        ]
        for side, found in runs.items()
    ]


def utilisation(contest: Contest, material: Material, run: Timed, peak_per_s: float) -> float:
    """Of the seconds, start of generation to optimizer's step, that the machine would need at its peak."""
    stage, preset = f"training.{contest.stage}", material.preset
    if not run.written:
        return operations(preset, stage, run.tokens, contest.data.mean_tokens) / peak_per_s / run.seconds
    group = preset.world_model_rl.group_size
    rows = run.steps * preset.world_model_rl.prompts_per_step * group
    needed = operations(
        preset, stage, run.tokens, run.tokens / rows, read=(run.tokens - run.written) / group, written=run.written
    )
    return needed / peak_per_s / run.seconds


def ratio_row(runs: dict[str, list[Timed]], stage: str) -> list[object]:
    found = ratio(*([run.tokens_per_s for run in runs[side]] for side in ("ours", "trl")))
    return [stage, found, len(runs["ours"]), verdict(found, AIM)]


def facts(material: Material, options: argparse.Namespace) -> list[str]:
    model, preset = material.preset.model, material.preset
    memory = "torch's allocator" if torch.cuda.is_available() else "the process's resident set"
    return [
        f"- model: preset {preset.name}, {model.layers} layers of width {model.hidden_size}, vocabulary "
        f"{model.vocab_size:,}, random weights; bfloat16 autocast over float32 weights; threads: {options.threads}",
        f"- data: {options.sessions} sessions recorded here; pairs of runs: {options.repeats}; {options.steps} steps "
        f"of CPT and SFT, {options.group_steps} of GRPO, the first fifth not counted",
        f"- tokens: without padding; GRPO's are prompts and answers, generation in its time. Peak memory: of {memory}. "
        "Value: the loss; of GRPO the mean reward",
    ]


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default=default_preset(), help="name or path")
    parser.add_argument("--stages", nargs="*", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--sessions", type=int, default=2000 if on_gpu else 600, help="real ones, recorded first")
    parser.add_argument("--steps", type=int, default=40 if on_gpu else 30, help="of CPT and SFT")
    parser.add_argument("--group-steps", type=int, default=6 if on_gpu else 3, help="of GRPO")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs for each stage")
    parser.add_argument("--threads", type=int, help="of the processor, for both sides; the preset's unless set")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order of samples and draws")
    return parser.parse_args()


if __name__ == "__main__":
    main()
