"""From an asset to its artifact: find it by fingerprint, or have its stage script make it.

Upstream artifacts are found through the newest materialization in the same
round, so any asset can be materialised alone, by a job or by hand. Nothing is
passed in memory and nothing is overwritten.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel

from agentworld_dag.artifacts import fingerprint
from agentworld_dag.code_version import code_version
from agentworld_dag.config import Preset
from agentworld_dag.errors import AgentWorldError, StoreError
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Launcher, Script

UNSEEDED = 0
ANSWERING = ("serving.engine", "serving.max_tokens", "serving.dtype")
"""Parts of the preset that what a checkpoint answers depends on; how a server is run and found is not among them."""
AUTOMATED = "dagster/from_automation_condition"
"""Dagster's own tag of a run that declarative automation started."""
SEARCHED = 1000
"""Materializations of one asset in one round among which an upstream artifact is looked for."""

Materialization = tuple[dg.EventLogRecord, Mapping[str, dg.MetadataValue]]
"""The record and what it shows."""


@dataclass(frozen=True)
class Recipe:
    """How an artifact is made and what it depends on, besides the artifacts upstream."""

    module: str
    """The stage script."""
    sections: tuple[str, ...]
    """Parts of the preset it reads, dotted; a change elsewhere in the preset does not run it again."""
    seeded: bool = True
    """Whether it depends on the run's seed; an unseeded script is always given UNSEEDED."""
    options: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Upstream asset -> the input name under which the script knows it, where they differ."""
    tracked: bool = True
    """Whether it is a run in MLflow: models and measurements are, data is described in Dagster alone."""

    @property
    def code_version(self) -> str:
        return code_version(self.module)

    def fingerprint(self, asset: str, preset: RunPreset, round_name: str, upstream: Mapping[str, Path]) -> str:
        settings = {section: _section(preset.load(round_name), section) for section in self.sections}
        seed = preset.seed if self.seeded else None
        made_from = {name: folder.name for name, folder in upstream.items()}
        return fingerprint(asset, self.code_version, settings, seed, dict(self.options), made_from)


@dataclass(frozen=True)
class Artifact:
    """A complete artifact."""

    folder: Path
    """Its place in the lake; what it holds may be on another machine, see `text`."""
    result: dict[str, Any]
    reused: bool
    seed: int | None
    """None where the seed does not matter to it."""
    lake: Lake

    def text(self, file: str) -> str:
        """A small file of it, wherever it is; empty where it has none. Raises dg.Failure."""
        with failing_clearly():
            return self.lake.read(self.folder, file) or ""

    @property
    def metrics(self) -> dict[str, Any]:
        return self.result["metrics"]


def make(
    context: dg.AssetExecutionContext,
    recipe: Recipe,
    preset: RunPreset,
    lake: Lake,
    jobs: Launcher,
    others: Mapping[str, Path] | None = None,
) -> Artifact:
    """The artifact of the asset in its round. `others`: inputs that are no assets of the round, by name.

    Raises dg.Failure with one clear reason.
    """
    with failing_clearly():
        asset = context.asset_key.to_user_string()
        upstream = {name: latest(context, name, lake, preset.seed) for name in upstream_names(context)}
        upstream |= others or {}
        round_name = context.partition_key
        folder = lake.folder(asset, round_name, recipe.fingerprint(asset, preset, round_name, upstream))
        reused = lake.is_complete(folder)
        if reused:
            context.log.info(f"reused: finished earlier in {folder}")
            lake.share(folder)
        else:
            inputs = {recipe.renamed.get(name, name): path for name, path in upstream.items()}
            seed = preset.seed if recipe.seeded else UNSEEDED
            script = Script(recipe.module, round_name, folder, inputs, recipe.options, seed, recipe.tracked)
            jobs.launch(context, script, preset)
        return Artifact(folder, lake.read_result(folder), reused, preset.seed if recipe.seeded else None, lake)


def latest(context: dg.AssetExecutionContext, asset: str, lake: Lake, seed: int) -> Path:
    """Place of an upstream artifact: what this run made, else the newest of the round with this seed.

    An artifact no seed enters serves every seed. Raises StoreError.
    """
    found = materializations(context, asset, seed)
    # The newest come first, and `min` keeps the first of equals.
    chosen = min(found, key=lambda each: each[0].run_id != context.run.run_id, default=None)
    folder = lake.folder(asset, context.partition_key, str(chosen[1]["fingerprint"].value)) if chosen else None
    if folder is None or not lake.is_complete(folder):
        raise StoreError(
            f"{context.asset_key.to_user_string()} needs {asset} of {context.partition_key} with seed {seed}, "
            f"found {folder or 'no materialization'} without a finished result; materialise {asset} first"
        )
    return folder


def materializations(context: dg.AssetExecutionContext, asset: str, seed: int | None = None) -> list[Materialization]:
    """Of an asset in the round, newest first; those with another seed are left out where one is given."""
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[context.partition_key]), limit=SEARCHED
    ).records
    made = [(record, record.asset_materialization.metadata) for record in records if record.asset_materialization]
    return [
        (record, shown) for record, shown in made if seed is None or "seed" not in shown or shown["seed"].value == seed
    ]


def following(context: dg.AssetExecutionContext, preset: RunPreset) -> RunPreset:
    """In a run that declarative automation started, preset and seed of the newest input somebody else made.

    Such a run has no configuration of its own: the environment's preset is not that of what it follows.
    """
    if AUTOMATED not in context.run.tags:
        return preset
    found = (each for name in upstream_names(context) for each in materializations(context, name)[:1])
    for record, shown in sorted(found, key=lambda each: each[0].storage_id, reverse=True):
        run = context.instance.get_run_by_id(record.run_id)
        if "seed" in shown and not (run and AUTOMATED in run.tags):
            return RunPreset(name=_preset_of(run) or preset.name, seed=int(str(shown["seed"].value)))
    return preset


def _preset_of(run: dg.DagsterRun | None) -> str | None:
    """The preset that a run was configured with."""
    config: Any = run.run_config if run else {}
    return config.get("resources", {}).get("preset", {}).get("config", {}).get("name")


def upstream_names(context: dg.AssetExecutionContext) -> list[str]:
    return sorted(key.to_user_string() for key in context.assets_def.dependency_keys)


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Our own errors fail the step with their message alone, and are not retried."""
    try:
        yield
    except AgentWorldError as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


def _section(preset: Preset, dotted: str) -> Any:
    found = reduce(getattr, dotted.split("."), preset)
    return found.model_dump(mode="json") if isinstance(found, BaseModel) else found
