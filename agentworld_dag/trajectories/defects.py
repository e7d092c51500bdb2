"""Why a trajectory may not be learned from: what is wrong with it, whatever else was recorded.

Left out: what takes others to see, such as duplicates (`clean`).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import get_args

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.trajectories import patch
from agentworld_dag.trajectories.schema import Domain, Kind, Outcome, Trajectory

MIN_TURNS = 2
"""Paper section 3.1.2; an episode that reached its goal is whole at any length."""

Reason = tuple[str, str]
"""One word to count by, and what was found, for a person."""


def defect(trajectory: Trajectory) -> Reason | None:
    """The first reason why it may not be learned from, or None."""
    for reason, find in _DEFECTS.items():
        if detail := find(trajectory):
            return reason, detail
    return None


def solved_at_once(trajectory: Trajectory) -> bool:
    return trajectory.outcome == "success" and len(trajectory.turns) == 1


def _off_schema(trajectory: Trajectory) -> str:
    allowed = {"domain": get_args(Domain), "kind": get_args(Kind), "outcome": get_args(Outcome)}
    wrong = [
        f"{name} is {getattr(trajectory, name)!r}" for name in allowed if getattr(trajectory, name) not in allowed[name]
    ]
    return ", ".join(wrong)


def _session_lost(trajectory: Trajectory) -> str:
    if trajectory.outcome not in ("died", "timed_out") or len(trajectory.turns) >= MIN_TURNS:
        return ""
    return f"session {trajectory.outcome} after {len(trajectory.turns)} answered turns: {trajectory.failure}"


def _missing_observation(trajectory: Trajectory) -> str:
    missing = [number for number, turn in enumerate(trajectory.turns, start=1) if turn.observation is None]
    return f"turn {missing[0]} of {len(trajectory.turns)} has no observation" if missing else ""


def _too_short(trajectory: Trajectory) -> str:
    count = len(trajectory.turns)
    if count >= MIN_TURNS or solved_at_once(trajectory):
        return ""
    return f"{count} turns, at least {MIN_TURNS} expected"


def _no_action(trajectory: Trajectory) -> str:
    return "" if any(turn.action.strip() for turn in trajectory.turns) else "every action is empty"


def _damaged_state(trajectory: Trajectory) -> str:
    states = [turn.state for turn in trajectory.turns]
    if all(state is None for state in states) and not trajectory.system.initial_state:
        return ""
    for number, state in enumerate([trajectory.system.initial_state, *states]):
        if damage := "not recorded" if state is None else _state_damage(state):
            return f"state after turn {number}: {damage}"
    return ""


@lru_cache(maxsize=4096)
def _state_damage(state: str) -> str:
    try:
        facts = patch.parse_state(state)
    except TrajectoryError as error:
        return str(error)
    return "" if patch.format_state(facts) == state else "not sorted, or a key twice"


_DEFECTS: dict[str, Callable[[Trajectory], str]] = {
    "off_schema": _off_schema,
    "session_lost": _session_lost,
    "missing_observation": _missing_observation,
    "too_short": _too_short,
    "no_action": _no_action,
    "damaged_state": _damaged_state,
}
"""Reason -> finder of its detail, empty when the trajectory is free of it; the first found is recorded."""
