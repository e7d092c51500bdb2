"""How well each world model predicts the real environment, on turns nobody trained on.

    python -m agentworld_dag.evaluation.fidelity --config infra/presets/tiny.yaml --seed 0 \
        --input world_model_cpt=DIR --input world_model_sft=DIR --input world_model_rl=DIR \
        --input trajectory_splits=DIR --out DIR

Every checkpoint answers the same held-out turns, greedily and sampled, so that
comparisons are paired. The models that others are compared with also sample at
lower temperatures: the control that tells what training taught from what it
merely sharpened.
Writes one row per answer; intervals are the report's business.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.evaluation.drift import measure_drift
from agentworld_dag.simulator.bundle import load_engine
from agentworld_dag.simulator.teacher_forced import Mode, Place, changed_f1, predict, sample_places
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.parquet import read_trajectories

CHECKPOINTS = ("cpt", "sft", "rl")


@dataclass(frozen=True)
class Setting:
    """One way to ask one checkpoint."""

    checkpoint: str
    mode: Mode
    decoding: str
    temperature: float


def work(stage: Stage) -> dict[str, Any]:
    held_out = read_trajectories(stage.inputs["trajectory_splits"] / "held_out.parquet")
    places = sample_places(held_out, stage.preset.evaluation.fidelity_turns, stage.preset.collection.seed)
    rows = list(_copy_rows(places))
    for checkpoint in CHECKPOINTS:
        rows += _checkpoint_rows(stage, checkpoint, places)
    samples = pl.DataFrame(rows)
    samples.write_parquet(stage.out / "samples.parquet")
    drift = measure_drift(stage, held_out[: stage.preset.evaluation.drift_episodes])
    return {"turns": len(places), "exact_match": _means(samples), "drift": drift}


def settings_of(stage: Stage, checkpoint: str) -> list[Setting]:
    """What is asked of a checkpoint. CPT knows no reasoning and no ledger: it reads history."""
    full = stage.preset.world_model_rl.temperature
    main: Mode = "history" if checkpoint == "cpt" else "ledger"
    asked = [Setting(checkpoint, main, "greedy", 0.0), Setting(checkpoint, main, "sampled", full)]
    if checkpoint != "cpt":
        asked.append(Setting(checkpoint, "history", "greedy", 0.0))
    if checkpoint != "rl":
        colder = stage.preset.evaluation.control_temperatures
        asked += [Setting(checkpoint, main, f"sampled@{t}", t) for t in colder]
    return asked


def _checkpoint_rows(stage: Stage, checkpoint: str, places: list[Place]) -> list[dict[str, Any]]:
    engine, encoder = load_engine(stage.inputs[f"world_model_{checkpoint}"] / "checkpoint", stage.seed)
    rows: list[dict[str, Any]] = []
    for setting in settings_of(stage, checkpoint):
        answers = predict(
            engine,
            encoder,
            places,
            setting.mode,
            stage.preset.model.template,
            setting.temperature,
            stage.preset.simulator.max_new_tokens,
            reasons=checkpoint != "cpt",
        )
        new = [_row(setting, place, answer) for place, answer in zip(places, answers, strict=True)]
        exact = sum(row["exact"] for row in new) / len(new)
        stage.log(f"{checkpoint} {setting.mode} {setting.decoding}: {exact:.3f} exact")
        rows += new
    return rows


def _copy_rows(places: list[Place]) -> Iterator[dict[str, Any]]:
    setting = Setting("copy", "history", "greedy", 0.0)
    return (_row(setting, place, place.last_observation(FIRST_OBSERVATION)) for place in places)


def _row(setting: Setting, place: Place, answer: str | None) -> dict[str, Any]:
    action = place.trajectory.turns[place.turn_index].action
    return {
        "checkpoint": setting.checkpoint,
        "mode": setting.mode,
        "decoding": setting.decoding,
        "trajectory_id": place.trajectory.id,
        "turn_index": place.turn_index,
        "command": command_name(action),
        "exact": answer == place.truth,
        "changed_f1": changed_f1(answer, place.truth, place.last_observation(FIRST_OBSERVATION)),
        "failed": answer is None,
    }


def command_name(action: str) -> str:
    """The first word, with the redirection that decides what the command does."""
    words = action.split()
    name = words[0] if words else "(empty)"
    return f"{name} >>" if ">>" in action else f"{name} >" if ">" in action else name


def _means(samples: pl.DataFrame) -> dict[str, float]:
    grouped = samples.group_by("checkpoint", "mode", "decoding", maintain_order=True).agg(pl.col("exact").mean())
    return {f"{c}_{mode}_{decoding}": exact for c, mode, decoding, exact in grouped.iter_rows()}


if __name__ == "__main__":
    run_stage(work)
