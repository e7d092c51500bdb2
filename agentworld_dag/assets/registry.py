"""Group `registry`: what the round trained, as versions in the MLflow model registry."""

import json

import dagster as dg

from agentworld_dag.assets.agent import (
    agent_base,
    agent_real_rl,
    agent_real_rl_scarce,
    agent_scratch,
    agent_sim_rl,
    agent_warmup,
)
from agentworld_dag.assets.benchmark import leaderboard
from agentworld_dag.assets.evaluation import refresh_when_inputs_change, transfer_report
from agentworld_dag.assets.presentation import table
from agentworld_dag.assets.recipe import failing_clearly, latest
from agentworld_dag.assets.world_model import world_model_cpt, world_model_rl, world_model_sft
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import CANDIDATE, FINGERPRINT, ModelRegistry

WORLD_MODELS = [world_model_cpt, world_model_sft, world_model_rl]
POLICIES = [agent_base, agent_warmup, agent_scratch, agent_real_rl, agent_real_rl_scarce, agent_sim_rl]
MODELS = {
    **{asset.key.to_user_string(): "world-model" for asset in WORLD_MODELS},
    **{asset.key.to_user_string(): "agent-policy" for asset in POLICIES},
}
CANDIDATES = ("world_model_rl", "agent_sim_rl")
"""The end of each line of training: what a reviewer is asked to look at."""


@dg.asset(
    group_name="registry",
    partitions_def=rounds,
    deps=[*WORLD_MODELS, *POLICIES, leaderboard, transfer_report],
    kinds={"mlflow"},
    code_version="1",
    automation_condition=refresh_when_inputs_change,
)
def registered_versions(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, registry: ModelRegistry
) -> dg.MaterializeResult:
    """Every trained checkpoint as a version of `world-model` or `agent-policy` in MLflow.

    Tags lead back to the Dagster run, the asset and the fingerprint. The alias `candidate` names the version under
    review; nothing here makes a champion.
    """
    with failing_clearly():
        records = [register(context, preset, lake, registry, asset) for asset in MODELS]
    return dg.MaterializeResult(metadata={"versions": table(records), "registered": len(records), "seed": preset.seed})


def register(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, registry: ModelRegistry, asset: str
) -> dict[str, str]:
    """Register one checkpoint, or find the version that holds it already."""
    folder = latest(context, asset, lake, preset.seed)
    tags = {
        FINGERPRINT: folder.name,
        "agentworld/round": context.partition_key,
        "agentworld/seed": str(preset.seed),
        "dagster/asset_key": asset,
        "dagster/run_id": context.run.run_id,
    }
    run_id = json.loads((folder / "mlflow.json").read_text())["run_id"]
    version = registry.register(MODELS[asset], run_id, folder / "checkpoint", tags)
    if asset in CANDIDATES:
        registry.make_candidate(MODELS[asset], version)
    return {
        "model": MODELS[asset],
        "version": version,
        "asset": asset,
        "fingerprint": folder.name,
        "alias": CANDIDATE if asset in CANDIDATES else "",
    }
