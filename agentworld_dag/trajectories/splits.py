"""Stage `trajectory_splits`: five disjoint pools, drawn by group.

    python -m agentworld_dag.trajectories.splits --config infra/presets/tiny.yaml \
        --input clean_trajectories=DIR --out DIR

The pool follows from a hash of the group (see `pools`), so a trajectory keeps
its pool when later rounds add data, and shares are met on average, not
exactly. The seed is the collection's, not the run's: every seed of a study is
measured on the same held-out sessions.

With an input `round_plan` that names earlier rounds, their pools come first: see
`replay`. What those held out is passed on in a file of its own.

Trajectories are read one after the other for their outlines, which decide, and
copied from file to file as a stream.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agentworld_dag.config import Splits
from agentworld_dag.errors import ConfigError, TrajectoryError
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.clean import KEPT
from agentworld_dag.trajectories.outlines import Outline, digest, outlines, rows
from agentworld_dag.trajectories.parquet import write_frame
from agentworld_dag.trajectories.pools import (
    EARLIER_HELD_OUT,
    SPLITS,
    TRAINING,
    Pools,
    Split,
    groups,
    overlap,
    pair_overlap,
    pool_file,
)
from agentworld_dag.trajectories.replay import Placement, draw, earlier_files, place
from agentworld_dag.trajectories.round_plan import plan_of


def work(stage: Stage) -> dict[str, Any]:
    recorded = outlines([stage.inputs["clean_trajectories"] / KEPT])
    earlier: Pools = {name: outlines(files) for name, files in earlier_files(plan_of(stage.inputs).splits).items()}
    placement = place(recorded, earlier)
    seed, share = stage.preset.collection.seed, stage.preset.later_rounds.replay_share
    fresh = split(placement.free, stage.preset.splits, seed, placement.inherited)
    replayed = draw(fresh, earlier, share, seed, stage.round_name)
    pools: Pools = {name: fresh[name] + replayed.get(name, []) for name in SPLITS}
    _write(stage, pools, earlier["held_out"])
    largest = max(Counter(groups(recorded)).values())
    return _measured(pools, earlier) | _origins(placement, replayed) | {"largest_group": largest}


def split(
    fresh: Sequence[Outline],
    shares: Splits,
    seed: int,
    placed: Mapping[Split, Sequence[Outline]] | None = None,
) -> Pools:
    """Every trajectory in one pool, after those `placed` there already.

    Raises ConfigError on shares that leave SFT nothing, TrajectoryError on a pool that came out empty.
    """
    bounds = _bounds(shares)
    pools: Pools = {name: list((placed or {}).get(name, ())) for name in SPLITS}
    for each, group in zip(fresh, groups(fresh), strict=True):
        pools[_pool(_uniform(seed, group), bounds)].append(each)
    if empty := [name for name in SPLITS if bounds[name] > 0 and not pools[name]]:
        raise TrajectoryError(
            f"{sum(map(len, pools.values()))} trajectories leave {', '.join(empty)} empty; "
            "collect more, or change the shares"
        )
    return pools


def _write(stage: Stage, pools: Pools, earlier_held_out: list[Outline]) -> None:
    for name, pool in pools.items():
        write_frame(pool_file(stage.out, name), rows(pool))
        stage.log(f"{name}: {len(pool)} trajectories")
    write_frame(stage.out / EARLIER_HELD_OUT, rows(earlier_held_out))


def _measured(pools: Pools, earlier: Pools) -> dict[str, Any]:
    training = [each for name in TRAINING for each in pools[name]]
    return {
        "trajectories": {name: len(pool) for name, pool in pools.items()},
        "turns": {name: sum(each.turns for each in pool) for name, pool in pools.items()},
        "task_share": {name: sum(each.is_task for each in pool) / max(len(pool), 1) for name, pool in pools.items()},
        # Earlier pools count whole: the champion learned from what is not replayed, too.
        "overlap": overlap({name: pools[name] + earlier[name] for name in SPLITS}),
        "pair_overlap": {name: pair_overlap(training, pools[name]) for name in ("validation", "held_out")},
    }


def _origins(placement: Placement, replayed: Pools) -> dict[str, Any]:
    return {
        "replayed": {name: len(pool) for name, pool in replayed.items()},
        "inherited": {name: len(pool) for name, pool in placement.inherited.items()},
        "dropped": len(placement.dropped),
    }


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
    return int(digest(["split", seed, group])[:12], 16) / 16**12


if __name__ == "__main__":
    run_stage(work)
