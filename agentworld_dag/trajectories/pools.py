"""Pools of trajectories: what they are called, what no two of them may share, and whether they do.

Trajectories that share the initial state and every action, or the task
instance, form one group, and a group falls whole into one pool: memorising it
cannot pay. Which pool that is, is not decided here but in `splits`.

Single (state, action) pairs do repeat between pools, as they do in life; how
many is reported, not forbidden.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from agentworld_dag.trajectories.outlines import Outline
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.schema import Trajectory

Split = Literal["cpt", "sft", "rl", "validation", "held_out"]

SPLITS: tuple[Split, ...] = ("held_out", "validation", "rl", "cpt", "sft")
TRAINING: tuple[Split, ...] = ("cpt", "sft", "rl")

Pools = dict[Split, list[Outline]]

EARLIER_HELD_OUT = "held_out_earlier.parquet"
"""In the folder of the pools: what the rounds before held out; empty in the first round."""


def pool_file(folder: Path, name: Split) -> Path:
    return folder / f"{name}.parquet"


def read_earlier_held_out(folder: Path) -> list[Trajectory]:
    """Held-out sessions of the rounds before: none in the first, nor where a lake is older than the file.

    Raises StoreError where it is damaged.
    """
    path = folder / EARLIER_HELD_OUT
    return read_trajectories(path) if path.is_file() else []


def groups(outlines: Sequence[Outline]) -> list[str]:
    """A name per trajectory, equal for those that share a key, directly or through others."""
    parents: dict[str, str] = {}
    for each in outlines:
        roots = sorted(_root(parents, key) for key in each.keys)
        for root in roots:
            parents[root] = roots[0]
    return [_root(parents, each.keys[0]) for each in outlines]


def owners(pools: Mapping[Split, Sequence[Outline]]) -> dict[str, set[Split]]:
    """Every key that occurs, and the pools it occurs in."""
    found: dict[str, set[Split]] = {}
    for name, outlines in pools.items():
        for each in outlines:
            for key in each.keys:
                found.setdefault(key, set()).add(name)
    return found


def overlap(pools: Mapping[Split, Sequence[Outline]]) -> dict[str, int]:
    """How many ids, sessions (initial state and actions) and tasks occur in more than one pool; disjoint: all zero."""
    straddling = Counter(key.partition(":")[0] for key, names in owners(pools).items() if len(names) > 1)
    return {kind: straddling[kind] for kind in ("id", "session", "task")}


def pair_overlap(training: Sequence[Outline], reported: Sequence[Outline]) -> float:
    """Share of the reported turns whose (state, action) also occurs in training."""
    known = {pair for each in training for pair in each.pairs}
    asked = [pair for each in reported for pair in each.pairs]
    return sum(pair in known for pair in asked) / max(len(asked), 1)


def _root(parents: dict[str, str], key: str) -> str:
    while (parent := parents.setdefault(key, key)) != key:
        parents[key] = parents[parent]
        key = parent
    return key
