"""A small MLflow store with versions as the graph registers them, made once and copied for each test."""

import shutil
from pathlib import Path

from agentworld_dag.assets.champions import ASSETS
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.tracking import connect
from tests import on_record

FOREIGN = 4
"""The version of each model that somebody else registered: it has none of our tags."""
SCORES = {1: [0.9, 0.8, 1.0], 2: [1.0, 0.9, 1.0], 3: [0.7, 0.8, 0.9]}
"""Exact shares of the episodes behind the reference of each version."""


def new_store(folder: Path) -> Path:
    """A database with versions 1 to 3 of both models from rounds of the same number, and FOREIGN."""
    database = folder / "mlflow.db"
    client = connect(f"sqlite:///{database}")
    for model in ASSETS:
        client.create_registered_model(model)
        for number in (*SCORES, FOREIGN):
            client.create_model_version(model, str(folder), tags=tags(number) if number != FOREIGN else {})
    return database


def tags(number: int) -> dict[str, str]:
    made = {f"agentworld/made/{name}": value for name, value in on_record.champion(number).made.items()}
    return {
        "agentworld/round": f"round-{number:04d}",
        "agentworld/seed": "7",
        "agentworld/made/candidate_comparison": f"c{number}",
        "agentworld/blocking_checks": "passed",
        **made,
    }


def copy_of(database: Path, folder: Path) -> ModelRegistry:
    copied = shutil.copyfile(database, folder / "mlflow.db")
    return ModelRegistry(tracking_uri=f"sqlite:///{copied}")


def holders(registry: ModelRegistry, model: str) -> dict[str, int]:
    """Alias -> the version that has it."""
    return {alias: version.number for version in registry.versions(model) for alias in version.aliases}
