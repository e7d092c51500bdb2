"""What one world-model checkpoint answers on turns nobody trained on, and whether the real shell agrees.

    python -m agentworld_dag.evaluation.answers --config infra/presets/tiny.yaml --seed 0 --option checkpoint=sft \
        --input world_model_sft=DIR --input trajectory_splits=DIR --out DIR

Every checkpoint answers the same held-out turns, greedily and sampled, so that
comparisons are paired. The models that others are compared with also sample at
lower temperatures: the control that tells what training taught from what it
merely sharpened. With the first checkpoint comes the baseline that copies the
last observation. One row per answer; means over them are the report's business.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from agentworld_dag.config import Preset
from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.errors import ConfigError
from agentworld_dag.evaluation.measurements import CHECKPOINTS, CONTROL_PREFIX, GREEDY, SAMPLED
from agentworld_dag.simulator.bundle import load_engine
from agentworld_dag.simulator.teacher_forced import Mode, Place, changed_f1, predict, sample_places
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.parquet import read_trajectories


@dataclass(frozen=True)
class Setting:
    """One way to ask one checkpoint."""

    checkpoint: str
    mode: Mode
    decoding: str
    temperature: float


def work(stage: Stage) -> dict[str, Any]:
    checkpoint = _checkpoint(stage)
    held_out = read_trajectories(stage.inputs["trajectory_splits"] / "held_out.parquet")
    places = sample_places(held_out, stage.preset.evaluation.fidelity_turns, stage.preset.collection.seed)
    engine, encoder = load_engine(stage.inputs[f"world_model_{checkpoint}"] / "checkpoint", stage.seed)
    rows, exact = _copied(places) if checkpoint == CHECKPOINTS[0] else [], {}
    for setting in settings_of(stage.preset, checkpoint):
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
        exact[f"{setting.mode}_{setting.decoding}"] = sum(row["exact"] for row in new) / len(new)
        stage.log(f"{setting.mode} {setting.decoding}: {exact[f'{setting.mode}_{setting.decoding}']:.3f} exact")
        rows += new
    pl.DataFrame(rows).write_parquet(stage.out / "answers.parquet")
    return {"turns": len(places), "exact_match": exact}


def settings_of(preset: Preset, checkpoint: str) -> list[Setting]:
    """What is asked of a checkpoint, in the simulator's mode.

    CPT knows no reasoning and no ledger and reads history: SFT is asked that way, too, for a step in one mode.
    """
    main: Mode = "history" if checkpoint == "cpt" else preset.simulator.mode
    full = preset.world_model_rl.temperature
    asked = [Setting(checkpoint, main, GREEDY, 0.0), Setting(checkpoint, main, SAMPLED, full)]
    if checkpoint == "sft" and main != "history":
        asked.append(Setting(checkpoint, "history", GREEDY, 0.0))
    if checkpoint != "rl":
        colder = preset.evaluation.control_temperatures
        asked += [Setting(checkpoint, main, f"{CONTROL_PREFIX}{t}", t) for t in colder]
    return asked


def _copied(places: list[Place]) -> list[dict[str, Any]]:
    setting = Setting("copy", "history", GREEDY, 0.0)
    return [_row(setting, place, place.last_observation(FIRST_OBSERVATION)) for place in places]


def _checkpoint(stage: Stage) -> str:
    if (checkpoint := stage.options.get("checkpoint")) not in CHECKPOINTS:
        raise ConfigError(f"--option checkpoint={checkpoint}: expected one of {', '.join(CHECKPOINTS)}")
    return checkpoint


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


if __name__ == "__main__":
    run_stage(work)
