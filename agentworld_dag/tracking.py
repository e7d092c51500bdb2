"""One MLflow run per tracked stage, fed from the stage's own `metrics.jsonl`.

The file is the buffer: the tracker tails it and remembers in `mlflow.json` how
far it got, so a killed stage or a dead server loses no metric, and a resumed
stage goes on in the same MLflow run. The server is asked once before any
compute is spent; if it dies later the stage works on and only its end fails.
Registering models is not done here.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agentworld_dag.artifacts import METRICS, write_json
from agentworld_dag.errors import ConfigError, RegistryError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

URI = "MLFLOW_TRACKING_URI"
FLUSH_EVERY_S = 5.0
RETRY_AFTER_S = 60.0
MAX_BATCH = 1000  # MLflow refuses more metrics per request
MAX_PARAMS = 100  # and more parameters
MAX_ARTIFACT_BYTES = 2_000_000
ARTIFACT_SUFFIXES = {".jsonl", ".md", ".html", ".png", ".svg"}
STATE = "mlflow.json"


def named_uri() -> str:
    """Where the environment says that MLflow is; empty where it says nothing.

    Raises ConfigError where that holds a password, which logs and the pages of clusters would show.
    """
    uri = os.environ.get(URI, "")
    if urlsplit(uri).password is not None:
        raise ConfigError(
            f"{URI} holds a password, expected http(s)://host:port: put the user and the password of the server into "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    return uri


def connect(uri: str) -> "MlflowClient":
    """A client that fails within seconds instead of retrying for minutes, and reports nothing home."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def experiment_id(client: "MlflowClient", name: str) -> str:
    """The experiment, made when missing. Raises RegistryError when the server does not answer."""
    uri = client.tracking_uri
    try:
        return _find_or_create(client, name)
    except Exception as error:
        raise _unreachable(uri, error) from error


def artifact_location(uri: str) -> str | None:
    """A local database keeps its artifacts beside itself; a server decides for itself."""
    database = uri.removeprefix("sqlite:///")
    return str(Path(database).absolute().parent / "artifacts") if database != uri else None


@contextmanager
def naming_server(uri: str) -> Iterator[None]:
    """Turn what MLflow raises into a RegistryError that names the server and the remedy."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    # NotImplementedError: a server that is older than what is asked of it; MLflow's client says so of traces.
    except (MlflowException, RequestException, NotImplementedError) as error:
        raise _unreachable(uri, error) from error


@dataclass(frozen=True)
class RunIdentity:
    """What a new MLflow run is called and filed under."""

    experiment: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]


class Tracker:
    """The MLflow run of one stage. State: the run's id and how much of `metrics.jsonl` it has seen."""

    def __init__(self, uri: str, out: Path, identity: RunIdentity):
        self._uri = uri
        self._out = out
        self._client = connect(uri)
        self._experiment_id = experiment_id(self._client, identity.experiment)
        self._run_id, self._offset = self._resume() or self._start(identity)
        self._next_flush_at = time.monotonic() + FLUSH_EVERY_S

    def flush_if_due(self) -> None:
        """Send new metrics every few seconds; a failure is put off, for `finish` to report."""
        if time.monotonic() < self._next_flush_at:
            return
        try:
            self._flush()
        except RegistryError:
            self._next_flush_at = time.monotonic() + RETRY_AFTER_S
        else:
            self._next_flush_at = time.monotonic() + FLUSH_EVERY_S

    def finish(self, result: Mapping[str, Any]) -> None:
        """Send what is left, the result's numbers and the small files. Raises RegistryError."""
        self._flush()
        at = time.time()
        with naming_server(self._uri):
            self._send([(f"result/{name}", value, step, at) for name, step, value in numbers(result["metrics"])])
            self._client.log_dict(self._run_id, dict(result), "result.json")
            for path in sorted(self._out.iterdir()):
                if path.suffix in ARTIFACT_SUFFIXES and path.stat().st_size <= MAX_ARTIFACT_BYTES:
                    self._client.log_artifact(self._run_id, str(path))
            self._client.set_terminated(self._run_id, "FINISHED")

    def fail(self, status: str) -> None:
        """Best effort: the stage is already failing with an error of its own."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.set_terminated(self._run_id, status)
        except MlflowException:
            return

    def _resume(self) -> tuple[str, int] | None:
        path = self._out / STATE
        if not path.is_file():
            return None
        from mlflow.exceptions import MlflowException

        stored = json.loads(path.read_text())
        try:
            self._client.update_run(stored["run_id"], status="RUNNING")
        except MlflowException:  # another server or a deleted run: start a new one and send everything
            return None
        return stored["run_id"], stored["sent_bytes"]

    def _start(self, identity: RunIdentity) -> tuple[str, int]:
        from mlflow.entities import Param

        pairs = [Param(key, str(value)) for key, value in identity.params.items()]
        with naming_server(self._uri):
            run = self._client.create_run(self._experiment_id, run_name=identity.name, tags=dict(identity.tags))
            run_id = run.info.run_id
            for start in range(0, len(pairs), MAX_PARAMS):
                self._client.log_batch(run_id, params=pairs[start : start + MAX_PARAMS])
        self._remember(run_id, 0)
        return run_id, 0

    def _flush(self) -> None:
        path = self._out / METRICS
        if not path.is_file():
            return
        with path.open("rb") as file:
            file.seek(self._offset)
            fresh = file.read()
        with naming_server(self._uri):
            self._send([row for line in fresh.splitlines() for row in _metric_rows(json.loads(line))])
        self._offset += len(fresh)
        self._remember(self._run_id, self._offset)

    def _send(self, rows: list[tuple[str, float, int, float]]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(_accepted(name), value, int(at * 1000), step) for name, value, step, at in rows]
        for start in range(0, len(metrics), MAX_BATCH):
            self._client.log_batch(self._run_id, metrics=metrics[start : start + MAX_BATCH])

    def _remember(self, run_id: str, sent_bytes: int) -> None:
        write_json(self._out / STATE, {"run_id": run_id, "sent_bytes": sent_bytes})


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as (`a/b/c`, leaf) pairs."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}/{key}" if prefix else str(key))
    else:
        yield prefix, value


def numbers(value: Mapping[str, Any]) -> Iterator[tuple[str, int, float]]:
    """Every number of a nested result as (name, step, value); a list of numbers becomes steps."""
    for name, leaf in flatten(value):
        for step, item in enumerate(leaf if isinstance(leaf, list | tuple) else [leaf]):
            if isinstance(item, bool | int | float):
                yield name, step, float(item)


def _accepted(name: str) -> str:
    """The name in the characters MLflow takes."""
    return re.sub(r"[^\w\-./: ]", "_", name)


def _metric_rows(line: Mapping[str, Any]) -> Iterator[tuple[str, float, int, float]]:
    for name, value in line["metrics"].items():
        yield name, value, line["step"], line["at"]


def _find_or_create(client: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return found.experiment_id
    try:
        return client.create_experiment(name, artifact_location=artifact_location(client.tracking_uri))
    except MlflowException:  # another stage may have made it meanwhile
        if found := client.get_experiment_by_name(name):
            return found.experiment_id
        raise


def _unreachable(uri: str, error: Exception) -> RegistryError:
    reason = str(error).strip().splitlines()[0][:200]
    return RegistryError(
        f"MLflow at {uri} failed: {reason}. Expected a running tracking server or a local sqlite:/// store; "
        f"start the server, or unset {URI} to use the local store, then run again: finished work is kept"
    )
