"""What the pools have to know of a trajectory: a few hashes, so that nobody has to hold all trajectories.

The rows themselves stay in their files until `rows` asks for them.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.trajectories.parquet import COLUMNS, iterate, scan_trajectories, to_frame
from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Trajectory


@dataclass(frozen=True)
class Outline:
    id: str
    file: Path
    """Where the trajectory is."""
    is_task: bool
    turns: int
    keys: tuple[str, ...]
    """What no two pools may share: id, session and task instance, each text starting with its kind and a colon."""
    pairs: tuple[int, ...]
    """A hash of each turn's state before and action; good in this process only."""


def outlines(files: Iterable[Path]) -> list[Outline]:
    """Of every trajectory in these files, in order, each id once: the first.

    Raises StoreError naming a file that is missing or damaged.
    """
    found: dict[str, Outline] = {}
    for file in files:
        for trajectory in iterate(file):
            if trajectory.id not in found:
                found[trajectory.id] = outline(trajectory, file)
    return list(found.values())


def outline(trajectory: Trajectory, file: Path) -> Outline:
    """Raises TrajectoryError on a task that is not JSON."""
    pairs = tuple(hash((state_before(trajectory, index), turn.action)) for index, turn in enumerate(trajectory.turns))
    is_task = trajectory.kind == "task"
    return Outline(trajectory.id, file, is_task, len(pairs), _keys(trajectory), pairs)


def rows(outlines: Sequence[Outline]) -> pl.LazyFrame:
    """The trajectories themselves, as a query: file by file, in the order of each file."""
    ids: dict[Path, list[str]] = {}
    for each in outlines:
        ids.setdefault(each.file, []).append(each.id)
    scanned = [
        scan_trajectories(file).select(list(COLUMNS)).filter(pl.col("id").is_in(wanted)) for file, wanted in ids.items()
    ]
    return pl.concat(scanned) if scanned else to_frame([]).lazy()


def digest(value: object) -> str:
    """SHA-256 of a JSON value, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _keys(trajectory: Trajectory) -> tuple[str, ...]:
    actions = [turn.action for turn in trajectory.turns]
    session = digest([trajectory.domain, trajectory.system.initial_state, actions])
    task = (f"task:{digest(_instance(trajectory))}",) if trajectory.task else ()
    return f"id:{trajectory.id}", f"session:{session}", *task


def _instance(trajectory: Trajectory) -> object:
    """The task without its id: two names for one instance are one instance."""
    try:
        task = json.loads(trajectory.task)
    except json.JSONDecodeError as error:
        raise TrajectoryError(
            f"the task of trajectory {trajectory.id} is not JSON ({error}); collect it again"
        ) from error
    return {name: value for name, value in task.items() if name != "id"} if isinstance(task, dict) else task
