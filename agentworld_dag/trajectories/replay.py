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
from agentworld_dag.trajectories.outlines import Outline, digest
from agentworld_dag.trajectories.pools import (
    EARLIER_HELD_OUT,
    SPLITS,
    TRAINING,
    Pools,
    Split,
    groups,
    owners,
    pool_file,
)


@dataclass(frozen=True)
class Placement:
    """Fresh trajectories, each in one of the three."""

    inherited: Pools
    """Those whose group shares a key with one earlier pool, in that pool."""
    free: list[Outline]
    """Those that no earlier pool knows."""
    dropped: list[Outline]
    """Those whose group shares keys with several earlier pools: wherever they went, something would leak."""


def earlier_files(folders: Sequence[Path]) -> dict[Split, list[Path]]:
    """The files of each pool in the rounds before, in their order; the held-out ones with those they passed on.

    `folders` are their `trajectory_splits`; a lake may be older than what is passed on.
    """
    files: dict[Split, list[Path]] = {name: [] for name in SPLITS}
    for folder in map(pulled, folders):
        for name in SPLITS:
            files[name].append(pool_file(folder, name))
        if (folder / EARLIER_HELD_OUT).is_file():
            files["held_out"].append(folder / EARLIER_HELD_OUT)
    return files


def place(fresh: Sequence[Outline], earlier: Mapping[Split, Sequence[Outline]]) -> Placement:
    """Which fresh trajectories earlier pools have a claim on, group by group (see `groups`)."""
    placement = Placement({name: [] for name in SPLITS}, [], [])
    names = groups(fresh)
    claims = _claims(fresh, names, owners(earlier))
    for each, name in zip(fresh, names, strict=True):
        _target(placement, claims[name]).append(each)
    return placement


def draw(fresh: Pools, earlier: Pools, share: float, seed: int, round_name: str) -> Pools:
    """Earlier trajectories for each training pool, `share` (below 1) of the pool they and the fresh ones make.

    Fewer where there are not enough. The draw follows from the seed, the round and each trajectory's id alone.
    """
    drawn: Pools = {}
    for name in TRAINING:
        known = {each.id for each in fresh[name]}
        others = [each for each in earlier[name] if each.id not in known]
        others.sort(key=lambda each: digest(["replay", seed, round_name, each.id]))
        drawn[name] = others[: round(len(known) * share / (1 - share))]
    return drawn


def _claims(fresh: Sequence[Outline], names: Sequence[str], known: Mapping[str, set[Split]]) -> dict[str, set[Split]]:
    """The earlier pools that share a key with a group, by its name."""
    claims: dict[str, set[Split]] = {name: set() for name in names}
    for each, name in zip(fresh, names, strict=True):
        for key in each.keys:
            claims[name] |= known.get(key, set())
    return claims


def _target(placement: Placement, claims: set[Split]) -> list[Outline]:
    if len(claims) > 1:
        return placement.dropped
    return placement.inherited[next(iter(claims))] if claims else placement.free
