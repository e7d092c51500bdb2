"""The graph over a lake that several machines share."""

from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.artifacts import is_complete
from agentworld_dag.assets.data import clean_trajectories, raw_trajectories
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.preset import RunPreset
from tests.lake.bucket import KEY, SECRET
from tests.lake.proxy import Fault, Proxy
from tests.preset_file import write_preset

ROUND = "round-0001"


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(rounds.name or "", [ROUND])
        yield instance


def materialized(
    assets: list[dg.AssetsDefinition],
    home: Path,
    url: str,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> dg.ExecuteInProcessResult:
    """On the machine with this home."""
    monkeypatch.setenv("AGENTWORLD_HOME", str(home))
    resources = {
        "preset": RunPreset(name=str(write_preset(home.parent / "preset.yaml")), seed=0),
        "lake": Lake(root=str(home / "lake"), remote=url),
        "jobs": LocalJobs(tracking_uri=""),
    }
    return dg.materialize(assets, instance=instance, partition_key=ROUND, resources=resources, raise_on_error=False)


def folder(result: dg.ExecuteInProcessResult, asset: str) -> Path:
    [event] = result.asset_materializations_for_node(asset)
    return Path(str(event.metadata["path"].value))


@pytest.mark.slow
def test_a_round_goes_on_on_another_machine(
    url: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    assert materialized([round_plan, raw_trajectories], a, url, instance, monkeypatch).success
    cleaned = materialized([clean_trajectories], b, url, instance, monkeypatch)
    assert cleaned.success
    assert is_complete(folder(cleaned, "clean_trajectories"))
    again = materialized([raw_trajectories, clean_trajectories], c, url, instance, monkeypatch)
    shown = {name: again.asset_materializations_for_node(name)[0].metadata for name in ("raw_trajectories",)}
    assert shown["raw_trajectories"]["reused"].value
    assert shown["raw_trajectories"]["episodes"].value == 120
    assert not (c / "lake").exists()  # what is only reported on is not fetched


def test_a_plan_made_on_one_machine_is_the_plan_on_another(
    url: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = materialized([round_plan], tmp_path / "a", url, instance, monkeypatch)
    second = materialized([round_plan], tmp_path / "b", url, instance, monkeypatch)
    assert first.success
    assert second.success
    ours, theirs = folder(second, "round_plan"), folder(first, "round_plan")
    assert ours.is_relative_to(tmp_path / "b")
    assert (ours / "plan.json").read_bytes() == (theirs / "plan.json").read_bytes()


def test_what_was_made_before_there_was_a_remote_is_published_when_it_is_used(
    url: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = folder(materialized([round_plan], tmp_path / "a", "", instance, monkeypatch), "round_plan")
    lake = Lake(root=str(tmp_path / "b" / "lake"), remote=url)
    elsewhere = lake.folder(*made.parts[-3:])
    assert not lake.is_complete(elsewhere)
    Lake(root=str(tmp_path / "a" / "lake"), remote=url).share(made)
    assert lake.pulled(elsewhere) == elsewhere
    assert is_complete(elsewhere)


def test_a_run_that_fails_shows_no_key(
    url: str, proxy: Proxy, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    quoting = b"<Error><Code>SignatureDoesNotMatch</Code><Message>%b %b</Message></Error>"
    proxy.befalls = lambda request: Fault(status=403, body=quoting % (KEY.encode(), SECRET.encode()))
    failed = materialized([round_plan], tmp_path / "a", url, instance, monkeypatch)
    assert not failed.success
    [step] = failed.get_step_failure_events()
    data = step.step_failure_data
    assert data.user_failure_data
    assert f"StoreError: {url} may not be used with these keys" in str(data.user_failure_data.description)
    recorded = "\n".join(str(entry) for entry in instance.all_logs(failed.run_id))
    printed = capfd.readouterr()
    for told in (recorded, printed.out, printed.err):
        assert KEY not in told
        assert SECRET not in told
