"""Which preset and seed a report is refreshed with when nobody configured its run."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from agentworld_dag.assets.recipe import AUTOMATED, following
from agentworld_dag.jobs.run_config import run_config
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.rounds import FIRST_ROUND
from tests.assets.conftest import metadata
from tests.preset_file import write_preset


def shown(preset: RunPreset) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"seed": preset.seed, "preset": preset.name, "fingerprint": "0"})


@dg.asset(partitions_def=rounds)
def measured(preset: RunPreset) -> dg.MaterializeResult:
    return shown(preset)


@dg.asset(partitions_def=rounds, deps=[measured])
def transfer(context: dg.AssetExecutionContext, preset: RunPreset) -> dg.MaterializeResult:
    return shown(following(context, preset))


@dg.asset(partitions_def=rounds, deps=[measured, transfer])
def page(context: dg.AssetExecutionContext, preset: RunPreset) -> dg.MaterializeResult:
    return shown(following(context, preset))


@pytest.fixture
def materialize_with(instance: dg.DagsterInstance):
    """A run with the environment's preset `tiny` and seed 0, unless it is configured otherwise."""

    def run(*assets: dg.AssetsDefinition, config: dict[str, Any] | None = None, **tags: str) -> Any:
        return dg.materialize(
            [measured, transfer, page],
            selection=list(assets),
            instance=instance,
            partition_key=FIRST_ROUND,
            run_config=config or {},
            tags=tags,
            resources={"preset": RunPreset(name="tiny", seed=0)},
        )

    return run


def made_with(result: Any, asset: str) -> tuple[str, int]:
    found = metadata(result, asset)
    return found["preset"], found["seed"]


def test_a_run_of_automation_takes_preset_and_seed_of_what_it_follows(materialize_with, tmp_path: Path) -> None:
    other = str(write_preset(tmp_path / "other.yaml"))
    config = {"resources": run_config(other, 6)["resources"]}
    materialize_with(measured, config=config)
    automated = materialize_with(transfer, page, **{AUTOMATED: "true"})
    assert made_with(automated, "transfer") == (other, 6)
    assert made_with(automated, "page") == (other, 6), "though its newest input is of this run"
    assert made_with(materialize_with(page, **{AUTOMATED: "true"}), "page") == (other, 6)


def test_the_newest_input_counts_and_one_that_a_run_without_configuration_made_tells_its_seed(
    materialize_with, tmp_path: Path
) -> None:
    config = {"resources": run_config(str(write_preset(tmp_path / "other.yaml")), 6)["resources"]}
    materialize_with(measured, config=config)
    materialize_with(measured)
    assert made_with(materialize_with(transfer, **{AUTOMATED: "true"}), "transfer") == ("tiny", 0)


def test_any_other_run_keeps_its_own(materialize_with, tmp_path: Path) -> None:
    config = {"resources": run_config(str(write_preset(tmp_path / "other.yaml")), 6)["resources"]}
    materialize_with(measured, config=config)
    assert made_with(materialize_with(transfer), "transfer") == ("tiny", 0)
