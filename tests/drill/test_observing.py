import dagster as dg
import pytest

from agentworld_dag.drill.observing import Timeline, wait_for
from agentworld_dag.errors import RunError


@pytest.fixture
def said() -> list[str]:
    return []


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
    with dg.instance_for_test() as instance, pytest.raises(RunError, match="not seen within 0 s: something"):
        wait_for("something", lambda: None, instance, timeline, deadline_s=0)


def test_a_failed_run_ends_the_wait_at_once(timeline):
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(_job())
        instance.report_run_failed(run)
        with pytest.raises(RunError, match=r"nothing \(.*\) failed while waiting for something"):
            wait_for("something", lambda: None, instance, timeline, deadline_s=30)


def _job() -> dg.JobDefinition:
    @dg.job
    def nothing() -> None:
        pass

    return nothing
