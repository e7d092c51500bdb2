"""What a later round takes from the pools of the rounds before it, and where these bind its fresh sessions.

A fresh session that an earlier pool knows already goes to that pool: held out
once, held out for good. Training pools get some earlier sessions on top, so
that what was learned is not forgotten; validation and held out stay fresh, for
a model is judged on sessions that no choice was made on. Which sessions are
worth seeing again is left out: the draw is even.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentworld_dag.lake.shared import pulled
from agentworld_dag.trajectories.pools import (
    SPLITS,
    TRAINING,
    Pools,
    Split,
    digest,
    groups,
    keys,
    owners,
    read_earlier_held_out,
    read_splits,
)
from agentworld_dag.trajectories.schema import Trajectory


@dataclass(frozen=True)
class Placement:
    """Fresh trajectories, each in one of the three."""

    inherited: Pools
    """Those whose group shares a key with one earlier pool, in that pool."""
    free: list[Trajectory]
    """Those that no earlier pool knows."""
    dropped: list[Trajectory]
    """Those whose group shares keys with several earlier pools: wherever they went, something would leak."""


def read_earlier(folders: Sequence[Path]) -> Pools:
    """The pools of all earlier rounds together, each trajectory once.

    `folders` are their `trajectory_splits`. Raises StoreError naming a file that is missing or damaged.
    """
    pools: dict[Split, dict[str, Trajectory]] = {name: {} for name in SPLITS}
    for folder in folders:
        read = read_splits(pulled(folder))
        read["held_out"] += read_earlier_held_out(folder)
        for name, trajectories in read.items():
            pools[name] |= {trajectory.id: trajectory for trajectory in trajectories}
    return {name: list(found.values()) for name, found in pools.items()}


def place(fresh: Sequence[Trajectory], earlier: Mapping[Split, Sequence[Trajectory]]) -> Placement:
    """Which fresh trajectories earlier pools have a claim on, group by group (see `groups`)."""
    placement = Placement({name: [] for name in SPLITS}, [], [])
    names = groups(fresh)
    claims = _claims(fresh, names, owners(earlier))
    for trajectory, name in zip(fresh, names, strict=True):
        _target(placement, claims[name]).append(trajectory)
    return placement


def draw(fresh: Pools, earlier: Pools, share: float, seed: int, round_name: str) -> Pools:
    """Earlier trajectories for each training pool, `share` (below 1) of the pool they and the fresh ones make.

    Fewer where there are not enough. The draw follows from the seed, the round and each trajectory's id alone.
    """
    drawn: Pools = {}
    for name in TRAINING:
        known = {trajectory.id for trajectory in fresh[name]}
        others = [trajectory for trajectory in earlier[name] if trajectory.id not in known]
        others.sort(key=lambda trajectory: digest(["replay", seed, round_name, trajectory.id]))
        drawn[name] = others[: round(len(known) * share / (1 - share))]
    return drawn


def _claims(
    fresh: Sequence[Trajectory], names: Sequence[str], known: Mapping[str, set[Split]]
) -> dict[str, set[Split]]:
    """The earlier pools that share a key with a group, by its name."""
    claims: dict[str, set[Split]] = {name: set() for name in names}
    for trajectory, name in zip(fresh, names, strict=True):
        for key in keys(trajectory).values():
            claims[name] |= known.get(key, set())
    return claims


def _target(placement: Placement, claims: set[Split]) -> list[Trajectory]:
    if len(claims) > 1:
        return placement.dropped
    return placement.inherited[next(iter(claims))] if claims else placement.free
