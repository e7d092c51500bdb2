"""Whom a probe asks, and what it puts on record for the sensors."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from agentworld_dag.artifacts import RESULT, write_json
from agentworld_dag.assets import monitoring
from agentworld_dag.assets.monitoring import FIRST_EPISODE, real_env_probe
from agentworld_dag.errors import StoreError
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Script
from tests import on_record
from tests.assets.conftest import failure, metadata

PRESET = RunPreset(name="tiny", seed=0)
LAUNCHED: list[Script] = []


METRICS: dict[str, Any] = {
    **dict.fromkeys(("fidelity", "self_fed_fidelity", "agent_success"), on_record.SIDES),
    "episodes": 2,
    "died_share": 0.0,
    "environments": {"1": 2},
    "context": {side: {"cut_prompts": 0, "cut_turns": 0} for side in ("champion", "previous")},
    "lead": {WORLD_MODEL: on_record.WORSE, AGENT: on_record.QUIET},
}
"""Of a probe with champions of both models before those in use: as many numbers as there can be."""


class QuickJobs:
    """Writes what the probe's script writes, and asks nothing."""

    def __init__(self, **metrics: Any) -> None:
        self.metrics = METRICS | metrics

    def launch(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset) -> None:
        LAUNCHED.append(script)
        script.out.mkdir(parents=True)
        write_json(script.out / "scores.json", {"terminal": [0.9, 1.0]})
        write_json(script.out / RESULT, {"metrics": self.metrics} | on_record.SPENT)


@pytest.fixture
def instance() -> dg.DagsterInstance:
    LAUNCHED.clear()
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Holds the simulators and agents of three rounds."""
    for number in (1, 2, 3):
        for asset, mark in on_record.champion(number).made.items():
            folder = tmp_path / asset / f"round-{number:04d}" / mark
            folder.mkdir(parents=True)
            write_json(folder / RESULT, {})
    return Lake(root=str(tmp_path))


def probe(instance: dg.DagsterInstance, lake: Lake, **metrics: Any) -> dg.ExecuteInProcessResult:
    resources = {"preset": PRESET, "lake": lake, "jobs": QuickJobs(**metrics)}
    return dg.materialize([real_env_probe], instance=instance, raise_on_error=False, resources=resources)


def inputs_of(script: Script) -> dict[str, str]:
    return {name: folder.name for name, folder in script.inputs.items()}


def test_champions_and_the_ones_before_them_answer_the_same_episodes(instance: dg.DagsterInstance, lake: Lake) -> None:
    for model in (WORLD_MODEL, AGENT):
        for version in (1, 2):
            on_record.promoted(instance, on_record.champion(version, model))
    assert probe(instance, lake).success
    [launch] = LAUNCHED
    assert inputs_of(launch) == {"simulator": "s2", "previous_simulator": "s1", "agent": "a2", "previous_agent": "a1"}
    assert (launch.round_name, launch.seed) == ("round-0002", 7)
    assert int(launch.options["first_episode"]) >= FIRST_EPISODE


def test_the_one_before_answers_in_the_first_probes_only(instance: dg.DagsterInstance, lake: Lake) -> None:
    for version in (1, 2):
        on_record.promoted(instance, on_record.champion(version))
    for _ in range(4):
        assert probe(instance, lake).success
    asked = ["previous_simulator" in inputs_of(launch) for launch in LAUNCHED]
    assert asked == [True, True, True, False], "as often as review.regression_probes of the tiny preset says"


def test_the_record_names_whom_it_is_about_and_keeps_what_sensors_read_beside_many_numbers(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    on_record.promoted(instance, on_record.champion(2))
    on_record.promoted(instance, on_record.champion(1, AGENT))
    shown = metadata(probe(instance, lake), "real_env_probe")
    assert (shown["champion"], shown["champion_agent"]) == ("world-model-2", "agent-policy-1")
    assert shown["scores"] == {"terminal": [0.9, 1.0]}
    assert shown["leads"] == {WORLD_MODEL: on_record.WORSE, AGENT: on_record.QUIET}
    assert shown["probe"] == shown["fingerprint"]
    assert shown["environments"] == {"1": 2}


def test_all_that_people_look_at_is_plotted_in_a_champion_s_first_probes(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    on_record.promoted(instance, on_record.champion(2))
    shown = metadata(probe(instance, lake), "real_env_probe")
    for name in ("fidelity", "self_fed_fidelity", "agent_success"):
        for side in ("champion", "previous", "difference"):
            found = [shown[f"{name}/{side}/{bound}"] for bound in ("value", "low", "high")]
            assert found == [on_record.ESTIMATE[bound] for bound in ("value", "low", "high")]
    assert (shown["died_share"], shown["episodes"]) == (0.0, 2.0)
    assert "fidelity/champion/n" not in shown
    assert "n = 3000" in shown["metrics"]


@pytest.mark.parametrize(("died_share", "passed"), [(0.0, True), (0.05, True), (0.4, False)])
def test_dead_sessions_are_plotted_and_many_are_a_warning_that_stops_nothing(
    instance: dg.DagsterInstance, lake: Lake, died_share: float, passed: bool
) -> None:
    on_record.promoted(instance, on_record.champion(2))
    result = probe(instance, lake, died_share=died_share)
    assert result.success
    assert metadata(result, "real_env_probe")["died_share"] == died_share
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("few_sessions_died", passed)
    assert (check.severity, check.blocking) == (dg.AssetCheckSeverity.WARN, False)


def test_a_champion_alone_is_probed_alone(instance: dg.DagsterInstance, lake: Lake) -> None:
    on_record.promoted(instance, on_record.champion(1))
    assert "champion_agent" not in metadata(probe(instance, lake), "real_env_probe")
    assert inputs_of(LAUNCHED[0]) == {"simulator": "s1"}


def test_without_a_champion_or_its_artifact_the_probe_says_what_to_do(instance: dg.DagsterInstance, lake: Lake) -> None:
    assert failure(probe(instance, lake)).startswith("StoreError: there is no champion to probe; approve a candidate")
    on_record.promoted(instance, on_record.champion(9, previous=None))
    assert "is gone; restore it, or promote another" in failure(probe(instance, lake))


@dg.asset
def tried_again(context: dg.AssetExecutionContext, lake: Lake) -> dg.MaterializeResult:
    """The same probe for one champion, for the same again, and for another."""
    folders = []
    for version in (2, 2, 3):
        in_use = {WORLD_MODEL: on_record.promoted(context.instance, on_record.champion(version))}
        folders.append(monitoring.probe(context, in_use, PRESET, lake, QuickJobs()).folder.name)
    return dg.MaterializeResult(metadata={"folders": folders})


def test_tried_again_it_goes_on_and_after_a_promotion_it_asks_the_new_champion(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    result = dg.materialize([tried_again], instance=instance, resources={"lake": lake})
    first, again, promoted = metadata(result, "tried_again")["folders"]
    assert first == again != promoted
    assert [inputs_of(launch)["simulator"] for launch in LAUNCHED] == ["s2", "s3"]
    assert LAUNCHED[0].options == LAUNCHED[1].options


def test_a_folder_without_a_result_is_gone(lake: Lake) -> None:
    champion = on_record.champion(1)
    folder = monitoring.artifact_of(champion, lake)
    (folder / RESULT).unlink()
    with pytest.raises(StoreError, match="which is gone"):
        monitoring.artifact_of(champion, lake)
