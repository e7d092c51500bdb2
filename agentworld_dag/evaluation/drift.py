"""What is left of fidelity when the simulator feeds on its own answers.

    python -m agentworld_dag.evaluation.drift --config infra/presets/tiny.yaml --seed 0 \
        --input world_model_rl=DIR --input trajectory_splits=DIR --out DIR

The recorded actions of held-out episodes are replayed twice: with the truth as
context (teacher-forced) and with the simulator's own observations and state
(free-running), in ledger and in history mode. Greedy throughout, so the
difference is drift and not luck (paper.md metrics 8 and 9).
"""

from typing import Any

import polars as pl

from agentworld_dag.evaluation.free_running import free_run, settings
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.simulated import SimulatedEnvironment
from agentworld_dag.simulator.teacher_forced import Mode, Place, predict
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.patch import parse_state
from agentworld_dag.trajectories.schema import Trajectory

MODES: tuple[Mode, ...] = ("ledger", "history")
SCHEMA = {
    "mode": pl.String,
    "regime": pl.String,
    "trajectory_id": pl.String,
    "turn_index": pl.Int64,
    "exact": pl.Boolean,
    "state_exact": pl.Boolean,
    "failed": pl.Boolean,
}
"""`state_exact` is null where the truth is the context: nothing believed is carried on."""


def work(stage: Stage) -> dict[str, Any]:
    held_out = read_trajectories(stage.inputs["trajectory_splits"] / "held_out.parquet")
    episodes = held_out[: stage.preset.evaluation.drift_episodes]
    rows: list[dict[str, Any]] = []
    with open_engine(stage.inputs["world_model_rl"] / "checkpoint", stage.seed, stage.preset.serving) as engine:
        encoder = ChatEncoder(engine.tokenizer)
        for mode in MODES:
            rows += _teacher_forced(stage, engine, encoder, episodes, mode)
            rows += _free_running(stage, engine, encoder, episodes, mode)
    for mode in MODES:
        for regime in ("teacher_forced", "free_running"):
            exact = [row["exact"] for row in rows if (row["mode"], row["regime"]) == (mode, regime)]
            stage.log(f"{mode} {regime}: {sum(exact) / len(exact):.3f} exact")
    stage.meter.count_tokens(engine.tokens)
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(stage.out / "drift.parquet")
    free = [row for row in rows if row["regime"] == "free_running"]
    write_then_read(free, episodes).write_parquet(stage.out / "write_then_read.parquet")
    counted = {"episodes": len(episodes), "answers": len(rows), "failed": sum(row["failed"] for row in rows)}
    return counted | engine.window.counts


def _teacher_forced(
    stage: Stage, engine: Engine, encoder: ChatEncoder, episodes: list[Trajectory], mode: Mode
) -> list[dict[str, Any]]:
    places = [Place(episode, index) for episode in episodes for index in range(len(episode.turns))]
    answers = predict(
        engine, encoder, places, mode, stage.preset.model.template, 0.0, stage.preset.simulator.max_new_tokens
    )
    return [
        _row(mode, "teacher_forced", place.trajectory, place.turn_index, answer, None)
        for place, answer in zip(places, answers, strict=True)
    ]


def _free_running(
    stage: Stage, engine: Engine, encoder: ChatEncoder, episodes: list[Trajectory], mode: Mode
) -> list[dict[str, Any]]:
    chosen = settings(stage.preset, mode, 0.0, episodes[0].system)
    answers = free_run([(SimulatedEnvironment(engine, encoder, chosen), episode) for episode in episodes])
    return [
        _row(mode, "free_running", episode, index, answer.observation, answer.state)
        for episode, answered in zip(episodes, answers, strict=True)
        for index, answer in enumerate(answered)
    ]


def _row(
    mode: Mode, regime: str, episode: Trajectory, index: int, answer: str | None, state: str | None
) -> dict[str, Any]:
    turn = episode.turns[index]
    return {
        "mode": mode,
        "regime": regime,
        "trajectory_id": episode.id,
        "turn_index": index,
        "exact": answer == turn.observation,
        "state_exact": state == turn.state if regime == "free_running" else None,
        "failed": answer is None,
    }


def write_then_read(rows: list[dict[str, Any]], episodes: list[Trajectory]) -> pl.DataFrame:
    """For every `cat` of a file the episode itself changed `horizon` turns before: was the answer right?"""
    exact = {(row["mode"], row["trajectory_id"], row["turn_index"]): row["exact"] for row in rows}
    found = [
        {"mode": mode, "trajectory_id": episode.id, "horizon": horizon, "correct": exact[mode, episode.id, index]}
        for mode in MODES
        for episode in episodes
        for index, horizon in reads_after_writes(episode)
    ]
    schema = {"mode": pl.String, "trajectory_id": pl.String, "horizon": pl.Int64, "correct": pl.Boolean}
    return pl.DataFrame(found, schema=schema)


def reads_after_writes(episode: Trajectory) -> list[tuple[int, int]]:
    """(turn index of the read, turns since that file last changed), from the recorded states."""
    changed_at: dict[str, int] = {}
    before = parse_state(episode.system.initial_state)
    found = []
    for index, turn in enumerate(episode.turns):
        after = parse_state(turn.state or "")
        words = turn.action.split()
        if len(words) == 2 and words[0] == "cat":
            path = _resolve(before.get("cwd", "~"), words[1])
            found += [(index, index - changed_at[path])] if path in changed_at else []
        changed_at |= {path: index for path, value in after.items() if path != "cwd" and before.get(path) != value}
        before = after
    return found


def _resolve(directory: str, path: str) -> str:
    inside = directory.removeprefix("~").removeprefix("/")
    return f"{inside}/{path}" if inside else path


if __name__ == "__main__":
    run_stage(work)
