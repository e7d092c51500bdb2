"""What becomes of runs when parts of a deployment are killed: a real code server, a real daemon, our settings.

One story in the order of the tests; starting a run takes longer than anything else here.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.jobs.loop import ONE_AT_A_TIME
from tests.jobs.deployment import Deployment, deployed
from tests.jobs.gated import AT_WORK, FAULTY
from tests.resources.launching import toy

pytestmark = pytest.mark.slow

ALL = ["first", "second", "third"]
DOOMED = "doomed"
RETRIED = ["first", "second", "second", "third"]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("deployment")) as running:
        running.ask_for("round-1", **ONE_AT_A_TIME)
        running.ask_for("round-2", **ONE_AT_A_TIME)
        running.ask_for(FAULTY)
        yield running


def waits_at_the_gate(deployment: Deployment, name: str, times: int = 1) -> None:
    deployment.waits_until(f"{name} at the gate", lambda: deployment.steps(name).count("second") == times)


def ends(deployment: Deployment, name: str, *statuses: str) -> None:
    deployment.waits_until(f"{name} is {statuses}", lambda: deployment.statuses(name) == list(statuses))


def records(deployment: Deployment, name: str) -> list[dg.RunRecord]:
    return [deployment.instance.get_run_records(dg.RunsFilter([run.run_id]))[0] for run in deployment.runs(name)]


def test_a_killed_daemon_started_again_finishes_the_run_once(deployment):
    waits_at_the_gate(deployment, "round-1")
    deployment.kill("daemon")
    assert deployment.statuses("round-2") == ["QUEUED"]
    deployment.start("daemon")
    deployment.let_on("round-1")
    ends(deployment, "round-1", "SUCCESS")
    assert deployment.steps("round-1") == ALL


def test_a_run_with_the_same_tag_has_waited_in_the_queue(deployment):
    waits_at_the_gate(deployment, "round-2")
    ended_at, started_at = records(deployment, "round-1")[0].end_time, records(deployment, "round-2")[0].start_time
    assert ended_at is not None
    assert started_at is not None
    assert started_at > ended_at


def test_a_killed_code_server_leaves_nothing_behind_and_a_retry_finishes_the_run(deployment):
    deployment.kill("code server")
    deployment.waits_until("the end of the run's processes", lambda: not deployment.processes())
    assert deployment.statuses("round-2") == ["STARTED"]
    assert deployment.slots_taken() == 1
    deployment.start("code server")
    waits_at_the_gate(deployment, "round-2", times=2)
    assert deployment.statuses("round-2") == ["FAILURE", "STARTED"]
    deployment.let_on("round-2")
    ends(deployment, "round-2", "FAILURE", "SUCCESS")
    assert deployment.steps("round-2") == RETRIED


def test_what_failed_for_a_reason_is_not_tried_again(deployment):
    """The daemon goes through failures in order, and has tried a later one again by now."""
    failed_at, other_failed_at = records(deployment, FAULTY)[0].end_time, records(deployment, "round-2")[0].end_time
    assert failed_at is not None
    assert other_failed_at is not None
    assert failed_at < other_failed_at
    assert deployment.statuses(FAULTY) == ["FAILURE"]


def test_a_run_that_is_cancelled_takes_its_stage_with_it(deployment):
    deployment.ask_for(AT_WORK)
    stage = toy(deployment.folder, "").out / "attempts"
    deployment.waits_until("the stage at work", stage.exists)
    [run] = deployment.runs(AT_WORK)
    deployment.cancel(run.run_id)
    ends(deployment, AT_WORK, "CANCELED")
    deployment.waits_until("the end of the stage", lambda: not Path(f"/proc/{stage.read_text().strip()}").exists())
    assert "third" not in deployment.steps(AT_WORK)


def test_a_run_that_is_killed_at_every_attempt_is_tried_three_times_in_all(deployment):
    deployment.ask_for(DOOMED)
    for attempt in range(1, 4):
        waits_at_the_gate(deployment, DOOMED, times=attempt)
        os.kill(deployment.pids(DOOMED)[-1], signal.SIGKILL)
    ends(deployment, DOOMED, *["FAILURE"] * 3)


def test_a_killed_step_gives_its_slot_to_the_retry(deployment):
    """The daemon goes through failures in order: a fourth attempt at the doomed run would have been begun before."""
    deployment.ask_for("step")
    waits_at_the_gate(deployment, "step")
    assert deployment.slots_taken() == 1
    os.kill(deployment.pids("step")[-1], signal.SIGKILL)
    waits_at_the_gate(deployment, "step", times=2)
    assert deployment.statuses("step") == ["FAILURE", "STARTED"]
    assert deployment.slots_taken() == 1
    assert deployment.statuses(DOOMED) == ["FAILURE"] * 3


def test_a_code_server_that_is_told_to_stop_lets_its_run_finish(deployment):
    deployment.parts["code server"].send_signal(signal.SIGINT)
    deployment.let_on("step")
    ends(deployment, "step", "FAILURE", "SUCCESS")
    assert deployment.steps("step") == RETRIED
    assert deployment.slots_taken() == 0
    assert deployment.parts["code server"].wait(timeout=60) == 0
