"""What is deployed, as data."""

import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
HELM = INFRA / "helm"
SECRET_WORDS = ("KEY", "PASSWORD", "SECRET", "TOKEN")


def document(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def names_of(path: Path, kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in documents(path) if each["kind"] == kind}


def compose() -> dict[str, Any]:
    return document(INFRA / "docker-compose.yml")


def values() -> dict[str, Any]:
    return document(HELM / "values.yaml")


def code_server() -> dict[str, Any]:
    """The one user deployment of the chart's values."""
    [deployment] = values()["dagster-user-deployments"]["deployments"]
    return deployment


def code_environment() -> dict[str, str]:
    """Variables of the code server that are no secret."""
    return {each["name"]: each["value"] for each in code_server()["env"]}


def stage_settings() -> dict[str, Any]:
    return json.loads(code_environment()["AGENTWORLD_KUBERNETES"])


def is_secret(variable: str) -> bool:
    return any(word in variable.split("_") for word in SECRET_WORDS)
