"""The MLflow model registry: versions of what the loop trained, and what a reviewer reads about them.

Deciding which version becomes champion is not done here.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from agentworld_dag.errors import RegistryError
from agentworld_dag.monitoring.rollouts import Rollout
from agentworld_dag.monitoring.versions import Version
from agentworld_dag.resources import rollout_traces
from agentworld_dag.tracking import connect, experiment_id, naming_server

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

CANDIDATE = "candidate"
FINGERPRINT = "agentworld/fingerprint"
VERSIONS_PER_PAGE = 100
REVIEW_FOLDER = "review"
MAX_CARD_CHARS = 5000
"""MLflow's column for a description; SQLite takes more, other databases refuse it."""


class ModelRegistry(dg.ConfigurableResource):
    """Registered models in one MLflow store or server. Every method raises RegistryError where that fails."""

    tracking_uri: str

    def check(self, round_name: str) -> None:
        """Make sure the server answers before anything is computed."""
        experiment_id(connect(self.tracking_uri), f"agentworld/{round_name}")

    def register(self, model: str, run_id: str, checkpoint: Path, tags: Mapping[str, str]) -> str:
        """The version that holds `checkpoint`, made on the first call for a fingerprint."""
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
        self.give_alias(model, CANDIDATE, int(version))

    def versions(self, model: str) -> list[Version]:
        """All versions, oldest first; none of a model that does not exist yet."""
        with naming_server(self.tracking_uri):
            client = connect(self.tracking_uri)
            aliases = _aliases(client, model)
            found = [_version(each, aliases) for each in _every_version(client, model)]
        return sorted(found, key=lambda version: version.number)

    def tag(self, model: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version; others stay."""
        with naming_server(self.tracking_uri):
            client = connect(self.tracking_uri)
            for key, value in tags.items():
                client.set_model_version_tag(model, str(version), key, value)

    def give_alias(self, model: str, alias: str, version: int) -> None:
        """Move an alias to a version in one step: at no time does it name none."""
        with naming_server(self.tracking_uri):
            connect(self.tracking_uri).set_registered_model_alias(model, alias, str(version))

    def take_alias(self, model: str, alias: str) -> None:
        """No version has the alias afterwards, whether or not one had it before."""
        with naming_server(self.tracking_uri):
            client = connect(self.tracking_uri)
            if alias in _aliases(client, model):
                client.delete_registered_model_alias(model, alias)

    def describe(self, model: str, version: int, card: str) -> None:
        """Show `card`, Markdown of at most MAX_CARD_CHARS characters, on the page of a version."""
        if len(card) > MAX_CARD_CHARS:
            raise RegistryError(
                f"the card of {model} {version} has {len(card)} characters; MLflow takes {MAX_CARD_CHARS}: shorten it"
            )
        with naming_server(self.tracking_uri):
            connect(self.tracking_uri).update_model_version(model, str(version), description=card)

    def attach(self, model: str, version: int, folder: Path) -> None:
        """The files of `folder` as artifacts of the run that the version's page links to, below `review/`."""
        with naming_server(self.tracking_uri):
            client = connect(self.tracking_uri)
            run_id = client.get_model_version(model, str(version)).run_id
            if not run_id:
                raise RegistryError(f"{model} {version} has no run; expected one registered by this project")
            client.log_artifacts(run_id, str(folder), REVIEW_FOLDER)

    def log_rollouts(
        self, experiment: str, rollouts: Sequence[Rollout], tags: Mapping[str, str], run_id: str | None = None
    ) -> None:
        """Store rollouts as traces of an experiment, made when missing; all are stored when this returns.

        `tags` are those of each trace and hold a `version`: what this version has already is left alone, and replaced
        where it reads otherwise under the same title.
        With a `run_id` the traces show on that run's page, too.
        """
        client = connect(self.tracking_uri)
        experiment_number = experiment_id(client, experiment)
        with naming_server(self.tracking_uri):
            rollout_traces.log_rollouts(client, experiment_number, rollouts, tags, run_id)


def _ensure_model(client: "MlflowClient", model: str) -> None:
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(model)


def _every_version(client: "MlflowClient", model: str) -> Iterator["ModelVersion"]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{model}'", max_results=VERSIONS_PER_PAGE, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _aliases(client: "MlflowClient", model: str) -> dict[str, int]:
    """Alias -> version, from the model itself: a search for versions may leave aliases out."""
    found = client.search_registered_models(f"name = '{model}'")
    return {alias: int(version) for each in found for alias, version in each.aliases.items()}


def _version(found: "ModelVersion", aliases: Mapping[str, int]) -> Version:
    number = int(found.version)
    named = sorted(alias for alias, version in aliases.items() if version == number)
    return Version(number, dict(found.tags), tuple(named), found.creation_timestamp / 1000)
