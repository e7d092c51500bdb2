"""How far an answer of the simulator can be trusted: its confidence, its luck, and what it makes of errors.

    python -m agentworld_dag.evaluation.reliability --config infra/presets/tiny.yaml --seed 0 \
        --input world_model_rl=DIR --input trajectory_splits=DIR --out DIR

Three measurements in both modes, one Parquet file each. `calibration`: greedy
answers to held-out turns, each with its confidence. `replays`: the recorded
actions of held-out episodes, free-running, again and again. `error_path`: the
same greedy answers, and answers to planted actions that the real shell
answered, too. Means over the rows are the report's business (paper.md metrics
7, 9 and 13). Left out: confidence of the agent.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from agentworld_dag.config import Preset
from agentworld_dag.environments.terminal import real_terminal
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.confidence import Likelihood, agreement, likelihoods
from agentworld_dag.evaluation.error_kind import NONE, error_kind
from agentworld_dag.evaluation.free_running import free_run, settings
from agentworld_dag.evaluation.planted import Planted, answered, plant
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.simulated import SimulatedEnvironment
from agentworld_dag.simulator.teacher_forced import Mode, Place, predict, sample_places
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.render import parse_answer, turn_messages
from agentworld_dag.trajectories.schema import Trajectory

MODES: tuple[Mode, ...] = ("ledger", "history")
Row = dict[str, Any]


@dataclass(frozen=True)
class WorldModel:
    """The checkpoint that is asked, and the preset's way to ask it."""

    engine: Engine
    encoder: ChatEncoder
    preset: Preset

    def prompts(self, places: Sequence[Place], mode: Mode) -> list[list[int]]:
        template = self.preset.model.template
        return self.encoder.prompts(turn_messages(p.trajectory, p.turn_index, mode, template)[0] for p in places)

    def answer(self, prompts: list[list[int]], temperature: float) -> list[list[int]]:
        return self.engine.generate_batch(prompts, self.preset.simulator.max_new_tokens, temperature)

    def observations(self, answers: list[list[int]]) -> list[str | None]:
        parsed = map(parse_answer, self.encoder.tokenizer.batch_decode(answers))
        return [answer.observation if answer else None for answer in parsed]

    def greedy(self, places: Sequence[Place], mode: Mode) -> list[str | None]:
        limit = self.preset.simulator.max_new_tokens
        return predict(self.engine, self.encoder, places, mode, self.preset.model.template, 0.0, limit)


def work(stage: Stage) -> dict[str, Any]:
    held_out = read_trajectories(stage.inputs["trajectory_splits"] / "held_out.parquet")
    checkpoint = stage.inputs["world_model_rl"] / "checkpoint"
    with open_engine(checkpoint, stage.seed, stage.preset.serving) as engine:
        world_model = WorldModel(engine, ChatEncoder(engine.tokenizer), stage.preset)
        found = _measured(stage, world_model, held_out)
    stage.meter.count_tokens(engine.tokens)
    return found | engine.window.counts


def _measured(stage: Stage, world_model: WorldModel, held_out: list[Trajectory]) -> dict[str, Any]:
    chosen, preset = stage.preset.evaluation.reliability, stage.preset
    places = sample_places(held_out, chosen.turns, preset.collection.seed)
    calibration = [row for mode in MODES for row in calibration_rows(world_model, places, mode)]
    stage.log(f"{len(calibration)} answers with their confidence")
    replays = replay_rows(world_model, held_out[: chosen.replay_episodes], stage.seed)
    stage.log(f"{len(replays)} replayed turns")
    planted = plant(sample_places(held_out, chosen.planted_turns, preset.collection.seed), preset.collection.seed)
    truths = asyncio.run(real_truths(planted, preset))
    recorded = zip(calibration, places * len(MODES), strict=True)
    errors = [_error_row(row["mode"], place, row["observation"]) for row, place in recorded]
    errors += [row for mode in MODES for row in planted_rows(world_model, truths, mode)]
    unanswered = len(planted) - len(truths)
    stage.log(f"{len(truths)} planted actions answered by the real shell, {unanswered} not")
    for name, rows in (("calibration", calibration), ("replays", replays), ("error_path", errors)):
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(stage.out / f"{name}.parquet")
    return {
        "turns": len(places),
        "planted": len(truths),
        "unanswered": unanswered,
        "replayed_turns": len(replays),
        "failed": sum(row["failed"] for row in [*errors, *replays]),
    }


def calibration_rows(world_model: WorldModel, places: list[Place], mode: Mode) -> list[Row]:
    """The greedy answer to each place, whether it is right, and how sure the model is of it."""
    preset, count = world_model.preset, world_model.preset.evaluation.reliability.consistency_samples
    prompts = world_model.prompts(places, mode)
    ids = world_model.answer(prompts, 0.0)
    sure = likelihoods(world_model.engine, prompts, ids, preset.simulator.max_new_tokens)
    repeated = [prompt for prompt in prompts for _ in range(count)]
    samples = world_model.observations(world_model.answer(repeated, preset.world_model_rl.temperature))
    return [
        _calibration_row(mode, place, answer, likelihood, samples[start : start + count])
        for place, answer, likelihood, start in zip(
            places, world_model.observations(ids), sure, range(0, len(samples), count), strict=True
        )
    ]


def replay_rows(world_model: WorldModel, episodes: list[Trajectory], seed: int) -> list[Row]:
    """Free-running turns of every episode, in both modes, greedy and sampled, `replays` times each.

    Each replay has its own sampling seed and its own company in the batches, as under another load: at
    temperature 0 nothing but the arithmetic of a batch can make replays differ.
    """
    preset = world_model.preset
    temperatures = (0.0, preset.world_model_rl.temperature)
    return [
        row
        for temperature in temperatures
        for replay in range(preset.evaluation.reliability.replays)
        for half in _company(episodes, seed + replay)
        for row in _replayed(world_model, half, temperature, replay, seed)
    ]


async def real_truths(planted: Sequence[Planted], preset: Preset) -> list[tuple[str, Place]]:
    """(class, place with the real answer as its truth) of each planted action that the real shell answered."""
    terminal = real_terminal(preset.collection)
    places = [(one.action_class, await answered(terminal, one)) for one in planted]
    return [(action_class, place) for action_class, place in places if place is not None]


def planted_rows(world_model: WorldModel, truths: Sequence[tuple[str, Place]], mode: Mode) -> list[Row]:
    """What the simulator makes of planted actions from the true state or the true history."""
    if not truths:
        raise EvaluationError("the real shell answered no planted action; see whether a sandbox starts on this machine")
    answers = world_model.greedy([place for _, place in truths], mode)
    return [
        _error_row(mode, place, answer, action_class)
        for (action_class, place), answer in zip(truths, answers, strict=True)
    ]


def _company(episodes: list[Trajectory], seed: int) -> list[list[tuple[Mode, Trajectory]]]:
    slots: list[tuple[Mode, Trajectory]] = [(mode, episode) for mode in MODES for episode in episodes]
    random.Random(seed).shuffle(slots)
    return [slots[::2], slots[1::2]]


def _replayed(
    world_model: WorldModel, slots: list[tuple[Mode, Trajectory]], temperature: float, replay: int, seed: int
) -> list[Row]:
    world_model.engine.seed(seed + replay)
    modes = {mode: settings(world_model.preset, mode, temperature, slots[0][1].system) for mode in MODES}
    made = [
        (SimulatedEnvironment(world_model.engine, world_model.encoder, modes[mode]), episode) for mode, episode in slots
    ]
    setting = {"temperature": temperature, "replay": replay}
    return [
        {"mode": mode, **setting, **_turn(Place(episode, index), answer.observation)}
        for (mode, episode), answers in zip(slots, free_run(made), strict=True)
        for index, answer in enumerate(answers)
    ]


def _calibration_row(
    mode: Mode, place: Place, answer: str | None, likelihood: Likelihood, samples: Sequence[str | None]
) -> Row:
    confidence = {
        "answer_probability": likelihood.answer,
        "token_probability": likelihood.token,
        "agreement": agreement(answer, samples),
    }
    return {"mode": mode, **_turn(place, answer), **confidence}


def _error_row(mode: Mode, place: Place, answer: str | None, planted: str | None = None) -> Row:
    """Real and simulated outcome of one action; a recorded one is classed by its real outcome."""
    real_kind, sim_kind = error_kind(place.truth), error_kind(answer)
    return {
        "mode": mode,
        "action_class": planted or ("recorded_ok" if real_kind == NONE else "recorded_error"),
        "action": place.trajectory.turns[place.turn_index].action,
        **_turn(place, answer),
        "real_error": real_kind != NONE,
        "sim_error": None if answer is None else sim_kind != NONE,
        "real_kind": real_kind,
        "sim_kind": sim_kind,
    }


def _turn(place: Place, answer: str | None) -> Row:
    return {
        "trajectory_id": place.trajectory.id,
        "turn_index": place.turn_index,
        "observation": answer,
        "exact": answer == place.truth,
        "failed": answer is None,
    }


if __name__ == "__main__":
    run_stage(work)
