"""Group `data`: what a round goes on from, decided once when it begins."""

import time
from pathlib import Path

import dagster as dg

from agentworld_dag.artifacts import RESULT, fingerprint, write_json
from agentworld_dag.assets.champions import current
from agentworld_dag.assets.recipe import failing_clearly
from agentworld_dag.errors import StoreError
from agentworld_dag.monitoring.champion import MADE, WORLD_MODEL
from agentworld_dag.monitoring.champion import Champion as Recorded
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.rounds import is_later
from agentworld_dag.trajectories.round_plan import Champion, RoundPlan, read_plan, write_plan

ASSET = "round_plan"
NEEDED = {ASSET, "trajectory_splits", "world_model_rl", "simulator"}
"""What a champion must have been made with, for a round to go on from it."""


@dg.asset(group_name="data", partitions_def=rounds, kinds={"python"}, code_version="1")
def round_plan(context: dg.AssetExecutionContext, lake: Lake) -> dg.MaterializeResult:
    """What the round goes on from: the champion's weights and the sessions of the rounds that led to it.

    Decided once: materialised again it stays what it was, whoever is champion by then. The first round goes on from
    nothing.
    """
    with failing_clearly():
        folder = decided(context.instance, lake, context.partition_key) or decide(context, lake)
        plan = read_plan(lake.pulled(folder))
    return dg.MaterializeResult(
        metadata={
            "champion": plan.champion.version if plan.champion else "none",
            "earlier_rounds": len(plan.splits),
            "fingerprint": folder.name,
            "path": dg.MetadataValue.path(str(folder)),
        },
        data_version=dg.DataVersion(folder.name),
    )


def decided(instance: dg.DagsterInstance, lake: Lake, round_name: str) -> Path | None:
    """The folder of the plan that the round has already."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(ASSET), asset_partitions=[round_name]), limit=1
    ).records
    if not found or not found[0].asset_materialization:
        return None
    folder = lake.folder(ASSET, round_name, str(found[0].asset_materialization.metadata["fingerprint"].value))
    return folder if lake.is_complete(folder) else None


def decide(context: dg.AssetExecutionContext, lake: Lake) -> Path:
    """Plan the round from what is in use now. Raises StoreError where a later round has nothing to go on from."""
    champion = current(context.instance, WORLD_MODEL)
    if not is_later(context.partition_key):
        champion = None
    elif champion is None:
        raise StoreError(
            f"{context.partition_key} goes on from the champion, and there is none; approve a candidate in MLflow, "
            "or train round-0001"
        )
    folder = lake.folder(ASSET, context.partition_key, fingerprint(ASSET, champion and champion.as_json()))
    folder.mkdir(parents=True, exist_ok=True)
    plan = RoundPlan(None, ()) if champion is None else going_on_from(champion, lake)
    now = time.time()
    timing = {"process_started_at": now, "work_started_at": now, "finished_at": now}
    written = write_plan(folder, plan)
    write_json(folder / RESULT, {"fingerprint": folder.name, "inputs": {}, "timing": timing, "metrics": written})
    lake.share(folder)
    return folder


def going_on_from(champion: Recorded, lake: Lake) -> RoundPlan:
    """The champion's weights, the sessions of its round and those of the rounds it went on from itself.

    Raises StoreError where its version does not say what these are.
    """
    made = {asset: lake.folder(asset, champion.round, mark) for asset, mark in champion.made.items()}
    if missing := NEEDED - set(made):
        raise StoreError(
            f"{champion.name} has no tag {' and no '.join(f'{MADE}{asset}' for asset in sorted(missing))}: nothing can "
            "go on from it; promote a candidate of `world_model_versions` in MLflow"
        )
    before = read_plan(lake.pulled(made[ASSET])).splits
    start = Champion(champion.name, made["world_model_rl"], made["simulator"])
    return RoundPlan(start, (*before, made["trajectory_splits"]))
