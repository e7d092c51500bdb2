from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData

from agentworld_dag.drill import observing
from agentworld_dag.drill.observing import Timeline, wait_for
from agentworld_dag.errors import RunError
from agentworld_dag.sensors import history

RETRAINED = {history.KEY: "world-model-3-probe-0", history.PARTITION: "round-0002"}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def old(said: list[str]) -> Iterator[dg.DagsterInstance]:
    """A record with a failed run and a retraining of a round, all from before the drill."""
    with dg.instance_for_test() as instance:
        instance.report_run_failed(instance.create_run_for_job(_job()))
        retrain(instance)
        yield instance


def retrain(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = instance.create_run_for_job(_job(history.RETRAINING_JOB), tags=RETRAINED)
    for asset in ("first", "second"):
        materialize(instance, run, asset)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.STEP_START.value, run.job_name, step_key="first"), run.run_id
    )
    return run


def materialize(instance: dg.DagsterInstance, run: dg.DagsterRun, asset: str) -> None:
    made = dg.AssetMaterialization(asset, partition=run.tags[history.PARTITION])
    instance.report_dagster_event(
        dg.DagsterEvent(
            dg.DagsterEventType.ASSET_MATERIALIZATION.value,
            run.job_name,
            event_specific_data=StepMaterializationData(made),
        ),
        run.run_id,
    )


@pytest.fixture
def timeline(said: list[str]) -> Timeline:
    return Timeline(said.append)


def test_a_change_is_told_once_and_told_again_when_it_comes_back(timeline, said):
    for reason in ("quiet", "quiet", "drop", "quiet"):
        timeline.tell_change("sensor", "retrain", reason)
    assert [line.split()[-1] for line in said] == ["quiet", "drop", "quiet"]
    assert all(line.startswith("00:0") for line in said)


def test_what_is_seen_ends_the_wait(timeline, said):
    seen = iter([None, "it"])
    with dg.instance_for_test() as instance:
        assert wait_for("something", lambda: next(seen), instance, timeline, deadline_s=30) == "it"
    assert said[-1].endswith("seen: something")


def test_what_is_never_seen_is_one_clear_error(timeline):
    told = "not seen within 0 s: something; last was told: the sensor, no drop.*--deadline-s"
    timeline.tell("the sensor", "no drop")
    with dg.instance_for_test() as instance, pytest.raises(RunError, match=told):
        wait_for("something", lambda: None, instance, timeline, deadline_s=0)


def test_a_failed_run_ends_the_wait_at_once(timeline):
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(_job())
        instance.report_run_failed(run)
        with pytest.raises(RunError, match=r"nothing \(.*\) failed while waiting for something"):
            wait_for("something", lambda: None, instance, timeline, deadline_s=30)


def test_what_failed_before_the_drill_ends_no_wait_and_is_not_told(old, said):
    assert wait_for("something", lambda: "it", old, Timeline(said.append), deadline_s=30) == "it"
    seen = iter([None, "it"])
    assert wait_for("something", lambda: next(seen), old, Timeline(said.append), deadline_s=30) == "it"
    assert not any("failure" in line for line in said)


def test_only_what_the_drill_saw_is_a_retraining_and_made_in_a_round(old, said):
    timeline = Timeline(said.append)
    assert observing.retrainings(old, timeline.began) == []
    assert observing.running(old, history.RETRAINING_JOB, "round-0002", timeline.began) is None
    assert observing.made(old, "round-0002", timeline.began) == {}
    run = retrain(old)
    assert [each.run_id for each in observing.retrainings(old, timeline.began)] == [run.run_id]
    assert observing.running(old, history.RETRAINING_JOB, "round-0002", timeline.began) is not None
    assert observing.made(old, "round-0002", timeline.began) == {"first": 1, "second": 1}
    materialize(old, run, "second")
    assert observing.made(old, "round-0002", timeline.began) == {"first": 1, "second": 2}


def test_the_step_that_has_begun(old):
    run = old.create_run_for_job(_job())
    assert observing.begun_step(old, run) is None
    assert observing.begun_step(old, retrain(old)) == "first"


def _job(name: str = "nothing") -> dg.JobDefinition:
    @dg.job(name=name)
    def nothing() -> None:
        pass

    return nothing
