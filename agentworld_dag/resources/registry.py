"""The MLflow model registry: versions of what the loop trained, found again by fingerprint.

Deciding which version becomes champion is not done here: a new version only
ever gets the alias `candidate`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from agentworld_dag.tracking import connect, experiment_id, naming_server

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CANDIDATE = "candidate"
FINGERPRINT = "agentworld/fingerprint"


class ModelRegistry(dg.ConfigurableResource):
    """Registered models in one MLflow store or server."""

    tracking_uri: str

    def check(self, round_name: str) -> None:
        """Make sure the server answers before anything is computed. Raises RegistryError."""
        experiment_id(connect(self.tracking_uri), f"agentworld/{round_name}")

    def register(self, model: str, run_id: str, checkpoint: Path, tags: Mapping[str, str]) -> str:
        """The version that holds `checkpoint`, made on the first call for a fingerprint. Raises RegistryError."""
        with naming_server(self.tracking_uri):
            client = connect(self.tracking_uri)
            _ensure_model(client, model)
            known = client.search_model_versions(f"name = '{model}' and tag.`{FINGERPRINT}` = '{tags[FINGERPRINT]}'")
            if known:
                return str(known[0].version)
            client.log_artifacts(run_id, str(checkpoint), checkpoint.name)
            source = f"{client.get_run(run_id).info.artifact_uri}/{checkpoint.name}"
            return str(client.create_model_version(model, source, run_id, tags=dict(tags)).version)

    def make_candidate(self, model: str, version: str) -> None:
        with naming_server(self.tracking_uri):
            connect(self.tracking_uri).set_registered_model_alias(model, CANDIDATE, version)


def _ensure_model(client: "MlflowClient", model: str) -> None:
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(model)
