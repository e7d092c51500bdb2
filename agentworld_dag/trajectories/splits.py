"""Stage `trajectory_splits`: five disjoint pools, drawn by group.

Trajectories that share the initial state and every action, or the task
instance, form one group, and a group falls whole into one pool: memorising
it cannot pay. The pool follows from a hash of the group, so a trajectory
keeps its pool when later rounds add data, and shares are met on average, not
exactly. The seed is the collection's, not the run's: every seed of a study is
measured on the same held-out sessions.

Single (state, action) pairs do repeat between pools, as they do in life; how
many is reported, not forbidden.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from agentworld_dag.config import Splits
from agentworld_dag.errors import ConfigError, TrajectoryError
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories import parquet
from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Trajectory

Split = Literal["cpt", "sft", "rl", "validation", "held_out"]

SPLITS: tuple[Split, ...] = ("held_out", "validation", "rl", "cpt", "sft")
TRAINING: tuple[Split, ...] = ("cpt", "sft", "rl")


def split(trajectories: Sequence[Trajectory], shares: Splits, seed: int) -> dict[Split, list[Trajectory]]:
    """Every trajectory in one pool.

    Raises ConfigError on shares that leave SFT nothing, TrajectoryError on a pool that came out empty.
    """
    bounds = _bounds(shares)
    pools: dict[Split, list[Trajectory]] = {name: [] for name in SPLITS}
    for trajectory, group in zip(trajectories, groups(trajectories), strict=True):
        pools[_pool(_uniform(seed, group), bounds)].append(trajectory)
    if empty := [name for name in SPLITS if bounds[name] > 0 and not pools[name]]:
        raise TrajectoryError(
            f"{len(trajectories)} trajectories leave {', '.join(empty)} empty; collect more, or change the shares"
        )
    return pools


def groups(trajectories: Sequence[Trajectory]) -> list[str]:
    """A name per trajectory, equal for those that share a key, directly or through others."""
    parents: dict[str, str] = {}
    for trajectory in trajectories:
        roots = sorted(_root(parents, key) for key in _keys(trajectory).values())
        for root in roots:
            parents[root] = roots[0]
    return [_root(parents, _keys(trajectory)["id"]) for trajectory in trajectories]


def overlap(pools: Mapping[Split, Sequence[Trajectory]]) -> dict[str, int]:
    """How many ids, sessions (initial state and actions) and tasks occur in more than one pool; disjoint: all zero."""
    owners: dict[tuple[str, str], set[Split]] = {}
    for name, trajectories in pools.items():
        for trajectory in trajectories:
            for item in _keys(trajectory).items():
                owners.setdefault(item, set()).add(name)
    straddling = Counter(kind for (kind, _), names in owners.items() if len(names) > 1)
    return {kind: straddling[kind] for kind in ("id", "session", "task")}


def pair_overlap(training: Sequence[Trajectory], reported: Sequence[Trajectory]) -> float:
    """Share of the reported turns whose (state, action) also occurs in training."""
    known = {pair for trajectory in training for pair in _pairs(trajectory)}
    asked = [pair for trajectory in reported for pair in _pairs(trajectory)]
    return sum(pair in known for pair in asked) / max(len(asked), 1)


def read_splits(folder: Path) -> dict[Split, list[Trajectory]]:
    """The pools as the stage wrote them. Raises StoreError naming a file that is missing or damaged."""
    return {name: parquet.read_trajectories(folder / f"{name}.parquet") for name in SPLITS}


def _keys(trajectory: Trajectory) -> dict[str, str]:
    """What no two pools may share."""
    actions = [turn.action for turn in trajectory.turns]
    session = [trajectory.domain, trajectory.system.initial_state, actions]
    keys = {"id": f"id:{trajectory.id}", "session": f"session:{_digest(session)}"}
    return keys | ({"task": f"task:{_digest(_instance(trajectory))}"} if trajectory.task else {})


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


def _bounds(shares: Splits) -> dict[Split, float]:
    """The width of each pool on [0, 1); what the preset leaves over is SFT's."""
    given = shares.cpt + shares.rl + shares.validation + shares.held_out
    if given >= 1:
        raise ConfigError(
            f"splits.cpt + rl + validation + held_out is {given:.3f}; keep it below 1, the rest goes to SFT"
        )
    return {
        "held_out": shares.held_out,
        "validation": shares.validation,
        "rl": shares.rl,
        "cpt": shares.cpt,
        "sft": 1 - given,
    }


def _pool(position: float, widths: Mapping[Split, float]) -> Split:
    for name, width in widths.items():
        if position < width:
            return name
        position -= width
    return "sft"


def _uniform(seed: int, group: str) -> float:
    return int(_digest(["split", seed, group])[:12], 16) / 16**12


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def work(stage: Stage) -> dict[str, Any]:
    trajectories = parquet.read_trajectories(stage.inputs["clean_trajectories"] / "trajectories.parquet")
    pools = split(trajectories, stage.preset.splits, stage.preset.collection.seed)
    for name, pool in pools.items():
        parquet.write_trajectories(stage.out / f"{name}.parquet", pool)
        stage.log(f"{name}: {len(pool)} trajectories")
    training = [trajectory for name in TRAINING for trajectory in pools[name]]
    return {
        "trajectories": {name: len(pool) for name, pool in pools.items()},
        "turns": {name: sum(len(trajectory.turns) for trajectory in pool) for name, pool in pools.items()},
        "task_share": {name: sum(t.kind == "task" for t in pool) / max(len(pool), 1) for name, pool in pools.items()},
        "overlap": overlap(pools),
        "pair_overlap": {name: pair_overlap(training, pools[name]) for name in ("validation", "held_out")},
        "largest_group": max(Counter(groups(trajectories)).values()),
    }


if __name__ == "__main__":
    run_stage(work)
