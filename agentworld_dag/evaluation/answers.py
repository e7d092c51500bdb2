"""What one world-model checkpoint answers on turns nobody trained on, and whether the real shell agrees.

    python -m agentworld_dag.evaluation.answers --config infra/presets/tiny.yaml --seed 0 --option checkpoint=sft \
        --input world_model_sft=DIR --input heldout_benchmark=DIR --input trajectory_splits=DIR --out DIR

Every checkpoint answers the same samples of the held-out benchmark, greedily
and sampled, and greedily the same rule checks, so that comparisons are paired.
The models that others are compared with also sample at lower temperatures: the
control that tells what training taught from what it merely sharpened. With the
first checkpoint comes the baseline that copies the last observation. One row
per answer; means over them are the report's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from agentworld_dag.benchmark.heldout import DATA, Suite, read_suite
from agentworld_dag.benchmark.samples import read_benchmark
from agentworld_dag.config import Preset
from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.errors import ConfigError
from agentworld_dag.evaluation.check_rows import check_rows
from agentworld_dag.evaluation.measurements import CHECKPOINTS, CONTROL_PREFIX, GREEDY, SAMPLED
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.teacher_forced import Mode, Place, changed_f1, predict
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.parquet import read_trajectories

Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """One way to ask one checkpoint."""

    checkpoint: str
    mode: Mode
    decoding: str
    temperature: float


def work(stage: Stage) -> dict[str, Any]:
    checkpoint, benchmark = _checkpoint(stage), stage.inputs["heldout_benchmark"]
    places = sampled_places(benchmark, stage.inputs["trajectory_splits"] / "held_out.parquet")
    suite = read_suite(benchmark)
    rows, checked = _copied(places, suite) if checkpoint == CHECKPOINTS[0] else ([], [])
    exact: dict[str, float] = {}
    folder = stage.inputs[f"world_model_{checkpoint}"] / "checkpoint"
    with open_engine(folder, stage.seed, stage.preset.serving) as engine:
        for setting in settings_of(stage.preset, checkpoint):
            ask = partial(_answers, engine, ChatEncoder(engine.tokenizer), stage.preset, setting)
            new = _rows(setting, places, ask(places))
            name = f"{setting.mode}_{setting.decoding}"
            exact[name] = sum(row["exact"] for row in new) / len(new)
            stage.log(f"{setting.mode} {setting.decoding}: {exact[name]:.3f} exact")
            rows += new
            checked += _checked(setting, suite, ask(_places(suite))) if setting.decoding == GREEDY else []
    stage.meter.count_tokens(engine.tokens)
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(stage.out / "answers.parquet")
    pl.DataFrame(checked, infer_schema_length=None).write_parquet(stage.out / "checks.parquet")
    return {"turns": len(places), "checks": len(suite.checks), "exact_match": exact, **engine.window.counts}


def settings_of(preset: Preset, checkpoint: str) -> list[Setting]:
    """What is asked of a checkpoint: sampled in its own mode, greedily in both.

    CPT's own is history: it knows no reasoning and no ledger. The others' is the simulator's.
    """
    own: Mode = "history" if checkpoint == "cpt" else preset.simulator.mode
    other: Mode = "ledger" if own == "history" else "history"
    full = preset.world_model_rl.temperature
    asked = [Setting(checkpoint, own, GREEDY, 0.0), Setting(checkpoint, own, SAMPLED, full)]
    asked.append(Setting(checkpoint, other, GREEDY, 0.0))
    if checkpoint != "rl":
        colder = preset.evaluation.control_temperatures
        asked += [Setting(checkpoint, own, f"{CONTROL_PREFIX}{t}", t) for t in colder]
    return asked


def sampled_places(benchmark: Path, held_out: Path) -> list[Place]:
    """The turns that the benchmark's samples are about, in their order."""
    by_id = {trajectory.id: trajectory for trajectory in read_trajectories(held_out)}
    return [Place(by_id[sample.id], sample.turn - 1) for sample in read_benchmark(benchmark / DATA).samples]


def _answers(
    engine: Engine, encoder: ChatEncoder, preset: Preset, setting: Setting, places: Sequence[Place]
) -> list[str | None]:
    reasons, longest = setting.checkpoint != "cpt", preset.simulator.max_new_tokens
    return predict(
        engine, encoder, places, setting.mode, preset.model.template, setting.temperature, longest, reasons=reasons
    )


def _copied(places: Sequence[Place], suite: Suite) -> tuple[list[Row], list[Row]]:
    setting = Setting("copy", "history", GREEDY, 0.0)
    shown = [place.last_observation(FIRST_OBSERVATION) for place in places]
    met = [place.last_observation(FIRST_OBSERVATION) for place in _places(suite)]
    return _rows(setting, places, shown), _checked(setting, suite, met)


def _checkpoint(stage: Stage) -> str:
    if (checkpoint := stage.options.get("checkpoint")) not in CHECKPOINTS:
        raise ConfigError(f"--option checkpoint={checkpoint}: expected one of {', '.join(CHECKPOINTS)}")
    return checkpoint


def _rows(setting: Setting, places: Sequence[Place], answers: Sequence[str | None]) -> list[Row]:
    return [_row(setting, place, answer) for place, answer in zip(places, answers, strict=True)]


def _row(setting: Setting, place: Place, answer: str | None) -> Row:
    action = place.trajectory.turns[place.turn_index].action
    return {
        "checkpoint": setting.checkpoint,
        "mode": setting.mode,
        "decoding": setting.decoding,
        "trajectory_id": place.trajectory.id,
        "turn_index": place.turn_index,
        "command": command_name(action),
        "answer": answer,
        "exact": answer == place.truth,
        "changed_f1": changed_f1(answer, place.truth, place.last_observation(FIRST_OBSERVATION)),
        "failed": answer is None,
    }


def _places(suite: Suite) -> list[Place]:
    return [Place(trajectory, index) for trajectory, index in suite.turns.values()]


def _checked(setting: Setting, suite: Suite, answers: Sequence[str | None]) -> list[Row]:
    return check_rows(setting.checkpoint, setting.mode, suite.checks, dict(zip(suite.turns, answers, strict=True)))


def command_name(action: str) -> str:
    """The first word, with the redirection that decides what the command does."""
    words = action.split()
    name = words[0] if words else "(empty)"
    return f"{name} >>" if ">>" in action else f"{name} >" if ">" in action else name


if __name__ == "__main__":
    run_stage(work)
