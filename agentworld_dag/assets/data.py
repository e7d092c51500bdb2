"""Group `data`: real sessions, what may be learned from them, and who may learn from what."""

from functools import partial

import dagster as dg

from agentworld_dag.assets.presentation import breakdown, materialized, number
from agentworld_dag.assets.recipe import Recipe, make
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Jobs

data_asset = partial(dg.asset, group_name="data", partitions_def=rounds, op_tags={"dagster/priority": "9"})

COLLECTION = Recipe("agentworld_dag.trajectories.collect", ("collection",), seeded=False, tracked=False)
CLEANING = Recipe("agentworld_dag.trajectories.clean", (), seeded=False, tracked=False)
SPLITTING = Recipe(
    "agentworld_dag.trajectories.splits",
    ("splits", "collection", "later_rounds.replay_share"),
    seeded=False,
    tracked=False,
)

BACKENDS = ("bwrap", "landlock")


@data_asset(
    kinds={"python", "bash"},
    code_version=COLLECTION.code_version,
    check_specs=[
        dg.AssetCheckSpec(
            "sessions_are_isolated",
            asset="raw_trajectories",
            blocking=True,
            description="Every recorded session names a sandbox back end; none ran without one.",
        )
    ],
)
def raw_trajectories(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """Real shell sessions, exploratory and task-like.

    Each episode is one persistent bash in a sandbox of its own, driven by a seeded policy. A session that hangs or
    dies is recorded as such. The true state of the home directory is read after every turn: the reasoning the world
    model learns is computed from it.
    """
    artifact = make(context, COLLECTION, preset, lake, jobs)
    episodes = number(artifact, "episodes")
    isolated = sum(breakdown(artifact, "by_sandbox").get(backend, 0) for backend in BACKENDS)
    return materialized(
        artifact,
        [("sessions_are_isolated", isolated == episodes > 0, {"episodes": episodes, "isolated": isolated})],
    )


@data_asset(
    deps=[raw_trajectories],
    kinds={"python", "polars"},
    code_version=CLEANING.code_version,
    check_specs=[
        dg.AssetCheckSpec(
            "rejects_are_explained",
            asset="clean_trajectories",
            description="Every recorded trajectory is kept or quarantined with a reason, and no file is corrupt.",
        )
    ],
)
def clean_trajectories(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """The trajectories that may be learned from; the others in quarantine with a reason each.

    Retries of a failed turn are skipped, duplicates and sessions without an observation are refused. Nothing is
    deleted: `quarantine.parquet` lies beside `trajectories.parquet`.
    """
    artifact = make(context, CLEANING, preset, lake, jobs)
    recorded, kept = number(artifact, "trajectories/recorded"), number(artifact, "trajectories/kept")
    refused = sum(breakdown(artifact, "quarantined").values())
    corrupt = number(artifact, "corrupt_parts")
    evidence = {"recorded": recorded, "kept": kept, "quarantined": refused, "corrupt_parts": corrupt}
    return materialized(artifact, [("rejects_are_explained", recorded == kept + refused and corrupt == 0, evidence)])


@data_asset(
    deps=[clean_trajectories, round_plan],
    kinds={"python", "polars"},
    code_version=SPLITTING.code_version,
    check_specs=[
        dg.AssetCheckSpec(
            "splits_are_disjoint",
            asset="trajectory_splits",
            blocking=True,
            description="No trajectory, session or task instance occurs in two splits, earlier rounds included.",
        )
    ],
)
def trajectory_splits(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """Five disjoint pools of trajectories: CPT, SFT, RL, validation and held out.

    The pool follows from a hash of the session, so a trajectory keeps its pool when later rounds add data. A later
    round's training pools hold some sessions of the rounds before it. Settings are chosen on validation; only held out
    is reported.
    """
    artifact = make(context, SPLITTING, preset, lake, jobs)
    shared = breakdown(artifact, "overlap")
    return materialized(artifact, [("splits_are_disjoint", bool(shared) and not any(shared.values()), shared)])
