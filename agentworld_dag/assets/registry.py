"""Group `registry`: what the round trained, as versions in the MLflow model registry.

The end of each line of training becomes the candidate: its review pack is put
up first and the alias given last, so whoever sees the alias finds the pack
complete. Nothing here makes a champion.
"""

import json
import tempfile
from pathlib import Path
from shutil import copy

import dagster as dg

from agentworld_dag.assets.agent import agent_base, agent_sim_rl
from agentworld_dag.assets.benchmark import leaderboard
from agentworld_dag.assets.blocking_checks import blocking_checks
from agentworld_dag.assets.comparison import candidate_comparison, policy_comparison
from agentworld_dag.assets.data import trajectory_splits
from agentworld_dag.assets.presentation import table
from agentworld_dag.assets.recipe import failing_clearly, latest, upstream_names
from agentworld_dag.assets.review_pack import (
    SHOWN_FILES,
    Folders,
    agent_card,
    rollouts,
    world_model_card,
)
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.assets.world_model import simulator, world_model_cpt, world_model_rl, world_model_sft
from agentworld_dag.monitoring.champion import AGENT, ASSET, MADE, ROUND, SEED, WORLD_MODEL
from agentworld_dag.monitoring.review import BLOCKING_CHECKS, CANDIDATE, CHAMPION, DECISION, REVIEW
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import FINGERPRINT, ModelRegistry

RUN = "dagster/run_id"
"""Tag of a version: the run that made its review pack, or registered it."""
SHOWN_UNDER_REVIEW = "under_review"
"""Metadata that the sensors read: whether this put a candidate up."""


@dg.asset(
    group_name="registry",
    partitions_def=rounds,
    deps=[
        round_plan,
        trajectory_splits,
        world_model_cpt,
        world_model_sft,
        world_model_rl,
        simulator,
        leaderboard,
        candidate_comparison,
    ],
    kinds={"mlflow"},
    code_version="1",
    pool="registry",
)
def world_model_versions(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, registry: ModelRegistry
) -> dg.MaterializeResult:
    """The round's world models as versions of `world-model`; the last one is put up for review.

    Tags lead back to the Dagster run, the asset and every fingerprint; the review pack is on the version's page.
    """
    with failing_clearly():
        folders = found(context, lake, preset)
        registered = {
            asset: register(context, preset, registry, WORLD_MODEL, asset, folders)
            for asset in ("world_model_cpt", "world_model_sft", "world_model_rl")
        }
        card = world_model_card(context, preset.seed, folders)
        under_review = put_up(context, registry, WORLD_MODEL, registered["world_model_rl"], card, folders)
    return shown(preset, registered, card, under_review)


@dg.asset(
    group_name="registry",
    partitions_def=rounds,
    deps=[trajectory_splits, agent_base, agent_sim_rl, policy_comparison],
    kinds={"mlflow"},
    code_version="1",
    pool="registry",
)
def agent_versions(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, registry: ModelRegistry
) -> dg.MaterializeResult:
    """The agent before and after practice as versions of `agent-policy`; the latter is put up for review."""
    with failing_clearly():
        folders = found(context, lake, preset)
        registered = {
            asset: register(context, preset, registry, AGENT, asset, folders)
            for asset in ("agent_base", "agent_sim_rl")
        }
        card = agent_card(context, preset.seed, folders)
        under_review = put_up(context, registry, AGENT, registered["agent_sim_rl"], card, folders)
    return shown(preset, registered, card, under_review)


def found(context: dg.AssetExecutionContext, lake: Lake, preset: RunPreset) -> Folders:
    return {name: lake.pulled(latest(context, name, lake, preset.seed)) for name in upstream_names(context)}


def register(
    context: dg.AssetExecutionContext,
    preset: RunPreset,
    registry: ModelRegistry,
    model: str,
    asset: str,
    folders: Folders,
) -> int:
    """Register one checkpoint, or find the version that holds it already."""
    tags = {
        FINGERPRINT: folders[asset].name,
        ROUND: context.partition_key,
        SEED: str(preset.seed),
        ASSET: asset,
        RUN: context.run.run_id,
        **_made(folders),
    }
    return int(registry.register(model, _mlflow_run(folders[asset]), folders[asset] / "checkpoint", tags))


def put_up(
    context: dg.AssetExecutionContext, registry: ModelRegistry, model: str, version: int, card: str, folders: Folders
) -> bool:
    """The review pack, and then the alias; says whether the version is under review.

    The pack follows what is made until a reviewer has decided; from then on it stays as the reviewer saw it.
    """
    known = next(each for each in registry.versions(model) if each.number == version)
    if DECISION in known.tags or CHAMPION in known.aliases:
        return False
    if REVIEW in known.tags and CANDIDATE in known.aliases:
        return True
    registry.describe(model, version, card)
    checks = blocking_checks(context, int(known.tags[SEED]), folders)
    registry.tag(model, version, {RUN: context.run.run_id, BLOCKING_CHECKS: checks} | _made(folders))
    attach_pack(registry, model, version, card, folders)
    if "candidate_comparison" in folders:
        told = {"model": model, "version": str(version), "round": context.partition_key}
        sessions = rollouts(folders["candidate_comparison"])
        registry.log_rollouts(
            f"agentworld/{context.partition_key}", sessions, told, _mlflow_run(folders["world_model_rl"])
        )
    registry.give_alias(model, CANDIDATE, version)
    return True


def attach_pack(registry: ModelRegistry, model: str, version: int, card: str, folders: Folders) -> None:
    with tempfile.TemporaryDirectory() as pack:
        for asset, names in SHOWN_FILES.items():
            for name in names if asset in folders else ():
                copy(folders[asset] / name, pack)
        (Path(pack) / "card.md").write_text(card)
        registry.attach(model, version, Path(pack))


def shown(preset: RunPreset, registered: dict[str, int], card: str, under_review: bool) -> dg.MaterializeResult:
    records = [{"asset": asset, "version": version} for asset, version in registered.items()]
    return dg.MaterializeResult(
        metadata={
            "versions": table(records),
            "registered": len(records),
            "card": dg.MetadataValue.md(card),
            "seed": preset.seed,
            SHOWN_UNDER_REVIEW: under_review,
        }
    )


def _made(folders: Folders) -> dict[str, str]:
    return {f"{MADE}{name}": folder.name for name, folder in folders.items()}


def _mlflow_run(folder: Path) -> str:
    return json.loads((folder / "mlflow.json").read_text())["run_id"]
