"""What simulators answer in recorded episodes, side by side: the rows of a probe and of a comparison.

Greedy, in the mode each simulator is used in. An answer that cannot be used is
a failed row and scores 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from agentworld_dag.evaluation.answers import command_name
from agentworld_dag.evaluation.free_running import free_run
from agentworld_dag.simulator.bundle import Simulator, predict_greedily
from agentworld_dag.simulator.simulated import SimulatedEnvironment
from agentworld_dag.simulator.teacher_forced import Place
from agentworld_dag.trajectories.schema import Trajectory

Row = dict[str, Any]
ONE_STEP, SELF_FED = "one_step", "self_fed"


def one_step(simulator: Simulator, side: str, episodes: Sequence[Trajectory]) -> list[Row]:
    """One row a turn, the truth being the context."""
    places = [Place(episode, index) for episode in episodes for index in range(len(episode.turns))]
    answers = predict_greedily(simulator, places)
    return [
        _row(side, ONE_STEP, place.trajectory, place.turn_index, answer)
        for place, answer in zip(places, answers, strict=True)
    ]


def self_fed(simulator: Simulator, side: str, episodes: Sequence[Trajectory]) -> list[Row]:
    """One row a turn, the simulator's own answers and state being the context."""
    greedy = replace(simulator.settings, temperature=0.0)
    slots = [(SimulatedEnvironment(simulator.engine, simulator.encoder, greedy), episode) for episode in episodes]
    return [
        _row(side, SELF_FED, episode, index, answer.observation)
        for episode, answered in zip(episodes, free_run(slots), strict=True)
        for index, answer in enumerate(answered)
    ]


def copied(side: str, episodes: Sequence[Trajectory], first_observation: str) -> list[Row]:
    """The baseline: the last observation once more."""
    return [
        _row(side, ONE_STEP, episode, index, Place(episode, index).last_observation(first_observation))
        for episode, index in _turns(episodes)
    ]


def _turns(episodes: Sequence[Trajectory]) -> Iterator[tuple[Trajectory, int]]:
    return ((episode, index) for episode in episodes for index in range(len(episode.turns)))


def _row(side: str, regime: str, episode: Trajectory, index: int, answer: str | None) -> Row:
    turn = episode.turns[index]
    return {
        "side": side,
        "regime": regime,
        "trajectory_id": episode.id,
        "turn_index": index,
        "command": command_name(turn.action),
        "answer": answer,
        "exact": answer == turn.observation,
        "failed": answer is None,
    }
