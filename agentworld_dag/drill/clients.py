"""What a person does during the drill: turns sensors and schedules on, and decides in MLflow; both over HTTP."""

import json
import urllib.error
import urllib.request
from typing import Any

from agentworld_dag.errors import RunError

TIMEOUT_S = 30
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "agentworld_dag"}
START_SENSOR = """mutation($selector: SensorSelector!) { startSensor(sensorSelector: $selector) {
  __typename ... on PythonError { message } ... on UnauthorizedError { message } } }"""
START_SCHEDULE = """mutation($selector: ScheduleSelector!) { startSchedule(scheduleSelector: $selector) {
  __typename ... on PythonError { message } ... on UnauthorizedError { message } } }"""


def turn_on(dagster_url: str, sensors: list[str], schedules: list[str]) -> None:
    """As the switches in the Dagster UI do. Raises RunError with Dagster's own reason."""
    for name in sensors:
        _switch(dagster_url, START_SENSOR, "startSensor", REPOSITORY | {"sensorName": name})
    for name in schedules:
        _switch(dagster_url, START_SCHEDULE, "startSchedule", REPOSITORY | {"scheduleName": name})


def set_tags(mlflow_url: str, model: str, version: int, tags: dict[str, str]) -> None:
    """What a reviewer types into the version's page, by MLflow's REST API."""
    for key, value in tags.items():
        body = {"name": model, "version": str(version), "key": key, "value": value}
        _post(f"{mlflow_url}/api/2.0/mlflow/model-versions/set-tag", body)


def alias_of(mlflow_url: str, model: str, alias: str) -> int | None:
    """The version with an alias, as MLflow says now."""
    url = f"{mlflow_url}/api/2.0/mlflow/registered-models/get?name={model}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            found = json.load(answer)["registered_model"].get("aliases", [])
    except urllib.error.HTTPError:  # no such model yet
        return None
    return next((int(each["version"]) for each in found if each["alias"] == alias), None)


def _switch(url: str, mutation: str, name: str, selector: dict[str, str]) -> None:
    found = _ask(url, mutation, {"selector": selector})[name]
    if "message" in found:
        raise RunError(f"{selector} could not be turned on: {found['message']}")


def _ask(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    found = _post(f"{url}/graphql", {"query": query, "variables": variables})
    if "errors" in found:
        raise RunError(f"Dagster at {url} refused: {found['errors'][0]['message']}")
    return found["data"]


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise RunError(f"{url} answered {error.code}: {error.read()[:500]!r}") from error
