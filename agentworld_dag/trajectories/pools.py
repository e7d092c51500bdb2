"""Pools of trajectories: what they are called, what no two of them may share, and whether they do.

Trajectories that share the initial state and every action, or the task
instance, form one group, and a group falls whole into one pool: memorising it
cannot pay. Which pool that is, is not decided here but in `splits`.

Single (state, action) pairs do repeat between pools, as they do in life; how
many is reported, not forbidden.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Trajectory

Split = Literal["cpt", "sft", "rl", "validation", "held_out"]

SPLITS: tuple[Split, ...] = ("held_out", "validation", "rl", "cpt", "sft")
TRAINING: tuple[Split, ...] = ("cpt", "sft", "rl")

Pools = dict[Split, list[Trajectory]]

EARLIER_HELD_OUT = "held_out_earlier.parquet"
"""In the folder of the pools: what the rounds before held out; empty in the first round."""


def read_splits(folder: Path) -> Pools:
    """The pools as the stage wrote them. Raises StoreError naming a file that is missing or damaged."""
    return {name: read_trajectories(folder / f"{name}.parquet") for name in SPLITS}


def read_earlier_held_out(folder: Path) -> list[Trajectory]:
    """Held-out sessions of the rounds before: none in the first, nor where a lake is older than the file.

    Raises StoreError where it is damaged.
    """
    path = folder / EARLIER_HELD_OUT
    return read_trajectories(path) if path.is_file() else []


def groups(trajectories: Sequence[Trajectory]) -> list[str]:
    """A name per trajectory, equal for those that share a key, directly or through others."""
    parents: dict[str, str] = {}
    for trajectory in trajectories:
        roots = sorted(_root(parents, key) for key in keys(trajectory).values())
        for root in roots:
            parents[root] = roots[0]
    return [_root(parents, keys(trajectory)["id"]) for trajectory in trajectories]


def owners(pools: Mapping[Split, Sequence[Trajectory]]) -> dict[str, set[Split]]:
    """Every key that occurs, and the pools it occurs in."""
    found: dict[str, set[Split]] = {}
    for name, trajectories in pools.items():
        for trajectory in trajectories:
            for key in keys(trajectory).values():
                found.setdefault(key, set()).add(name)
    return found


def overlap(pools: Mapping[Split, Sequence[Trajectory]]) -> dict[str, int]:
    """How many ids, sessions (initial state and actions) and tasks occur in more than one pool; disjoint: all zero."""
    straddling = Counter(key.partition(":")[0] for key, names in owners(pools).items() if len(names) > 1)
    return {kind: straddling[kind] for kind in ("id", "session", "task")}


def pair_overlap(training: Sequence[Trajectory], reported: Sequence[Trajectory]) -> float:
    """Share of the reported turns whose (state, action) also occurs in training."""
    known = {pair for trajectory in training for pair in _pairs(trajectory)}
    asked = [pair for trajectory in reported for pair in _pairs(trajectory)]
    return sum(pair in known for pair in asked) / max(len(asked), 1)


def keys(trajectory: Trajectory) -> dict[str, str]:
    """What no two pools may share: id, session and task instance, each text starting with its kind and a colon."""
    actions = [turn.action for turn in trajectory.turns]
    session = [trajectory.domain, trajectory.system.initial_state, actions]
    found = {"id": f"id:{trajectory.id}", "session": f"session:{digest(session)}"}
    return found | ({"task": f"task:{digest(_instance(trajectory))}"} if trajectory.task else {})


def digest(value: object) -> str:
    """SHA-256 of a JSON value, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _instance(trajectory: Trajectory) -> object:
    """The task without its id: two names for one instance are one instance."""
    try:
        task = json.loads(trajectory.task)
    except json.JSONDecodeError as error:
        raise TrajectoryError(
            f"the task of trajectory {trajectory.id} is not JSON ({error}); collect it again"
        ) from error
    return {name: value for name, value in task.items() if name != "id"} if isinstance(task, dict) else task


def _pairs(trajectory: Trajectory) -> list[tuple[str, str]]:
    return [(state_before(trajectory, index), turn.action) for index, turn in enumerate(trajectory.turns)]


def _root(parents: dict[str, str], key: str) -> str:
    while (parent := parents.setdefault(key, key)) != key:
        parents[key] = parents[parent]
        key = parent
    return key
