"""What a candidate's tag says of the blocking checks of its round, whichever run they were evaluated in."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest
from mlflow.tracking import MlflowClient

from agentworld_dag.assets.blocking_checks import CHECKED
from agentworld_dag.assets.registry import world_model_versions
from agentworld_dag.definitions import defs
from agentworld_dag.monitoring.champion import WORLD_MODEL
from agentworld_dag.monitoring.review import BLOCKING_CHECKS
from agentworld_dag.partitions import rounds
from agentworld_dag.rounds import FIRST_ROUND
from tests.assets.conftest import Materialize
from tests.assets.forged_round import approve, artifact, candidate, report


def evaluate(instance: dg.DagsterInstance, results: Mapping[str, bool]) -> None:
    """Have Dagster know the newest result of blocking checks, by name, on what the round has."""
    for asset in CHECKED:
        for spec in asset.check_specs:
            if spec.name in results:
                found = dg.AssetCheckEvaluation(asset.key, spec.name, results[spec.name], metadata={})
                instance.report_runless_asset_event(found)


@pytest.fixture
def gated(instance: dg.DagsterInstance, tmp_path: Path, compared: dict[str, Path]) -> dict[str, Path]:
    """The round with all its assets that have blocking checks, none of them evaluated."""
    made = dict(compared)
    for asset in (each.key.to_user_string() for each in CHECKED):
        if asset not in made:
            made[asset] = artifact(tmp_path / "lake", asset, FIRST_ROUND)
            report(instance, asset, FIRST_ROUND, made[asset])
    return made


EVERY_CHECK = [spec.name for asset in CHECKED for spec in asset.check_specs if spec.blocking]
PASSED = dict.fromkeys(EVERY_CHECK, True)
GATE = "fidelity_above_copy_baseline"


def told_by(materialize: Materialize, client: MlflowClient) -> str:
    """The candidate's tag after a run that put it up and made nothing else."""
    assert materialize([world_model_versions]).success
    found = candidate(client, WORLD_MODEL)
    assert found is not None
    return found.tags[BLOCKING_CHECKS]


@pytest.mark.parametrize(
    ("results", "told"),
    [
        (PASSED, "passed"),
        (PASSED | {GATE: False}, f"failed: {GATE}"),
        ({name: True for name in EVERY_CHECK if name != GATE}, f"not evaluated: {GATE}"),
        ({}, f"not evaluated: {', '.join(EVERY_CHECK)}"),
    ],
)
@pytest.mark.usefixtures("gated")
def test_a_candidate_says_what_the_checks_of_its_round_said_in_whatever_run(
    materialize: Materialize,
    instance: dg.DagsterInstance,
    client: MlflowClient,
    results: dict[str, bool],
    told: str,
) -> None:
    evaluate(instance, results)
    assert told_by(materialize, client) == told


@pytest.mark.usefixtures("gated")
def test_the_newest_evaluation_counts(
    materialize: Materialize, instance: dg.DagsterInstance, client: MlflowClient
) -> None:
    evaluate(instance, PASSED | {GATE: False})
    evaluate(instance, PASSED)
    assert told_by(materialize, client) == "passed"


def test_a_check_of_a_simulator_made_before_or_after_this_one_says_nothing_of_it(
    materialize: Materialize,
    instance: dg.DagsterInstance,
    client: MlflowClient,
    tmp_path: Path,
    gated: dict[str, Path],
) -> None:
    evaluate(instance, PASSED)
    assert materialize([another_simulator(gated["simulator"], passed=False)]).success is False
    assert told_by(materialize, client) == f"failed: {GATE}"
    report(instance, "simulator", FIRST_ROUND, gated["simulator"])
    assert told_by(materialize, client) == "passed", "the old one is used again"


def another_simulator(old: Path, passed: bool) -> dg.AssetsDefinition:
    """Made with other settings: another fingerprint in the same round."""

    @dg.asset(
        name="simulator", partitions_def=rounds, check_specs=[dg.AssetCheckSpec(GATE, asset="simulator", blocking=True)]
    )
    def simulator() -> dg.MaterializeResult:
        new = old.with_name("another-simulator")
        shutil.copytree(old, new)
        return dg.MaterializeResult(
            metadata={"fingerprint": new.name, "seed": 0},
            check_results=[dg.AssetCheckResult(check_name=GATE, passed=passed)],
        )

    return simulator


def test_no_blocking_check_that_a_candidate_depends_on_is_left_out() -> None:
    assert set(EVERY_CHECK) == blocking_above("world_model_versions")
    assert set(EVERY_CHECK) >= blocking_above("agent_versions")


def blocking_above(asset: str) -> set[str]:
    graph = defs.resolve_asset_graph()
    above = dg.AssetSelection.assets(asset).upstream().resolve(graph)
    return {key.name for key in graph.asset_check_keys if key.asset_key in above and graph.get(key).blocking}


def test_a_candidate_follows_what_is_made_until_it_is_decided_on(
    materialize: Materialize, instance: dg.DagsterInstance, client: MlflowClient, gated: dict[str, Path]
) -> None:
    def simulator_of() -> str:
        assert materialize([world_model_versions]).success
        found = candidate(client, WORLD_MODEL)
        assert found is not None
        return found.tags["agentworld/made/simulator"]

    assert simulator_of() == gated["simulator"].name
    assert materialize([another_simulator(gated["simulator"], passed=True)]).success
    assert simulator_of() == "another-simulator"
    found = candidate(client, WORLD_MODEL)
    assert found is not None
    approve(client, WORLD_MODEL, found)
    report(instance, "simulator", FIRST_ROUND, gated["simulator"])
    assert simulator_of() == "another-simulator", "it stays as its reviewer saw it"
