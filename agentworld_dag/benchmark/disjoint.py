"""Whether training has seen what checks are about (paper Appendix C leaves open if its two sets are disjoint).

The keys are those that no two pools of `trajectories.pools` may share: id,
session (initial state and actions) and task instance. A check's session is
known by the session it was recorded in, so an instruction makes none new, and
one that was cut counts as seen where training holds its beginning.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from agentworld_dag.benchmark.checks import Check
from agentworld_dag.benchmark.instructions import recorded_id
from agentworld_dag.trajectories.schema import Trajectory

KEYS = ("id", "session", "task")


def seen_in_training(
    checks: Sequence[Check], trajectories: Sequence[Trajectory], training: Iterable[Trajectory]
) -> dict[str, int]:
    """How many checks share each key with training, and `any` of them; disjoint: all zero."""
    asked = {trajectory.id: trajectory for trajectory in trajectories}
    seen = _seen(list(asked.values()), training)
    found = Counter(key for check in checks for key in seen[check.id])
    return {key: found[key] for key in KEYS} | {"any": sum(bool(seen[check.id]) for check in checks)}


def _seen(asked: Sequence[Trajectory], training: Iterable[Trajectory]) -> dict[str, set[str]]:
    """The keys that training shares with each trajectory."""
    ids: set[str] = set()
    tasks: set[str] = set()
    starts = {trajectory.system.initial_state for trajectory in asked}
    sessions: dict[str, list[list[str]]] = {start: [] for start in starts}
    for trajectory in training:
        ids.add(trajectory.id)
        tasks.add(_instance(trajectory))
        if trajectory.system.initial_state in sessions:
            sessions[trajectory.system.initial_state].append(_actions(trajectory))
    return {
        trajectory.id: {
            *(["id"] if recorded_id(trajectory.id) in ids else []),
            *(["session"] if _begins(trajectory, sessions[trajectory.system.initial_state]) else []),
            *(["task"] if trajectory.task and _instance(trajectory) in tasks else []),
        }
        for trajectory in asked
    }


def _begins(trajectory: Trajectory, sessions: Iterable[list[str]]) -> bool:
    actions = _actions(trajectory)
    return any(session[: len(actions)] == actions for session in sessions)


def _actions(trajectory: Trajectory) -> list[str]:
    return [turn.action for turn in trajectory.turns]


def _instance(trajectory: Trajectory) -> str:
    """The task without its id."""
    task = json.loads(trajectory.task) if trajectory.task else None
    return json.dumps(
        {key: task[key] for key in task if key != "id"} if isinstance(task, dict) else task, sort_keys=True
    )
