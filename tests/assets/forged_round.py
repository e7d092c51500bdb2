"""Artifacts of a round in the lake and on Dagster's record, without the training: every model is the base."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from agentworld_dag.assets.champions import ASSETS, RECORD
from agentworld_dag.environments.terminal import ACTION_SPACE, FIRST_OBSERVATION, TASK_DESCRIPTION
from agentworld_dag.monitoring.champion import WORLD_MODEL, Champion
from agentworld_dag.monitoring.review import CANDIDATE
from agentworld_dag.rounds import FIRST_ROUND
from agentworld_dag.simulator.bundle import MANIFEST
from agentworld_dag.simulator.simulated import Settings
from agentworld_dag.tracking import experiment_id
from agentworld_dag.trajectories.schema import SystemPrompt

MODELS = ("world_model_cpt", "world_model_sft", "world_model_rl", "agent_base", "agent_sim_rl")
SYSTEM = SystemPrompt(TASK_DESCRIPTION, ACTION_SPACE)
SPLIT_METRICS = {"trajectories": {"cpt": 12, "sft": 12, "rl": 12}, "replayed": {"cpt": 3, "sft": 0, "rl": 0}}


def artifact(lake: Path, asset: str, round_name: str, **result: Any) -> Path:
    """A complete folder; its fingerprint names the asset and the round."""
    folder = lake / asset / round_name / f"{asset}-{round_name[-4:]}"
    folder.mkdir(parents=True)
    timing = {"process_started_at": 10.0, "work_started_at": 12.0, "finished_at": 15.0}
    (folder / "result.json").write_text(json.dumps({"inputs": {}, "timing": timing, "metrics": {}} | result))
    return folder


def forge_round(
    instance: dg.DagsterInstance,
    lake: Path,
    base: Path,
    splits: Path,
    client: MlflowClient,
    round_name: str = FIRST_ROUND,
) -> dict[str, Path]:
    """Folders by asset: everything a candidate is compared and registered from, but the plan of the round."""
    folders = {name: artifact(lake, name, round_name) for name in MODELS}
    for name, folder in folders.items():
        shutil.copytree(base / "checkpoint", folder / "checkpoint")
        (folder / "mlflow.json").write_text(json.dumps({"run_id": mlflow_run(client, name, round_name)}))
    folders["trajectory_splits"] = artifact(lake, "trajectory_splits", round_name, metrics=SPLIT_METRICS)
    shutil.copytree(splits, folders["trajectory_splits"], dirs_exist_ok=True)
    folders["simulator"] = artifact(lake, "simulator", round_name)
    write_simulator(folders["simulator"], folders["world_model_rl"])
    folders["leaderboard"] = artifact(lake, "leaderboard", round_name)
    (folders["leaderboard"] / "leaderboard.md").write_text("## Leaderboard\n")
    for name, folder in folders.items():
        report(instance, name, round_name, folder)
    return folders


def report(instance: dg.DagsterInstance, asset: str, round_name: str, folder: Path) -> None:
    """Have Dagster know the artifact, as its asset would have."""
    metadata = {"fingerprint": folder.name, "seed": 0}
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=round_name, metadata=metadata))


def write_simulator(folder: Path, world_model: Path) -> None:
    settings = Settings("ledger", 0.0, 8, "compact", SYSTEM, FIRST_OBSERVATION)
    checkpoint = os.path.relpath(world_model / "checkpoint", folder)
    (folder / MANIFEST).write_text(json.dumps({"checkpoint": checkpoint, "settings": asdict(settings)}))


def mlflow_run(client: MlflowClient, name: str, round_name: str) -> str:
    return client.create_run(experiment_id(client, f"agentworld/{round_name}"), run_name=name).info.run_id


def record_champion(
    instance: dg.DagsterInstance,
    folders: Mapping[str, Path],
    model: str = WORLD_MODEL,
    version: int = 1,
    round_name: str = FIRST_ROUND,
    previous: int | None = None,
) -> Champion:
    """Have Dagster know a champion that was made with these artifacts."""
    made = {name: folder.name for name, folder in folders.items()}
    champion = Champion(
        model, version, round_name, 0, made, {}, "promoted", "a test", "a test", previous, float(version)
    )
    record = {RECORD: dg.MetadataValue.text(champion.as_json())}
    instance.report_runless_asset_event(dg.AssetMaterialization(ASSETS[model], metadata=record))
    return champion


def candidate(client: MlflowClient, model: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(model, CANDIDATE)
    except MlflowException:
        return None


def approve(client: MlflowClient, model: str, version: ModelVersion) -> None:
    client.set_model_version_tag(model, version.version, "review", "approved")
