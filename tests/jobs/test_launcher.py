"""What the launcher tells run monitoring about a started run."""

import logging
import os
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._daemon.monitoring.run_monitoring import check_run_timeout

from agentworld_dag.cost import process_started_at
from agentworld_dag.jobs.launcher import LocalRunLauncher
from agentworld_dag.jobs.run_process import CLOCK_STEP_S, RunProcess
from agentworld_dag.jobs.turn import UNLIMITED
from tests.jobs.begun import begun_run, status_of


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


def instance_with(lost_after_s: int):
    name = {"module": LocalRunLauncher.__module__, "class": LocalRunLauncher.__name__}
    return dg.instance_for_test({"run_launcher": name | {"config": {"lost_after_s": lost_after_s}}})


def test_a_run_is_lost_when_its_process_is(ended_pid):
    with instance_with(lost_after_s=0) as instance:
        assert instance.run_launcher.supports_check_run_worker_health
        assert status(instance, begun_run(instance, ended_pid)) == WorkerStatus.FAILED


def test_a_run_is_not_lost_while_it_is_waited_for(ended_pid):
    with instance_with(lost_after_s=3600) as instance:
        run = begun_run(instance, ended_pid)
        assert [status(instance, run) for _ in range(2)] == [WorkerStatus.RUNNING] * 2


@pytest.mark.parametrize("pid", [os.getpid(), None], ids=["alive", "unknown"])
def test_a_run_is_running_while_its_process_lives_or_is_unknown(pid):
    with instance_with(lost_after_s=0) as instance:
        assert status(instance, begun_run(instance, pid)) == WorkerStatus.RUNNING


@pytest.mark.parametrize(
    ("tags", "left"), [({}, dg.DagsterRunStatus.FAILURE), (UNLIMITED, dg.DagsterRunStatus.STARTED)]
)
def test_time_limit_spares_the_command_line(tags, left):
    with instance_with(lost_after_s=0) as instance:
        run = begun_run(instance, os.getpid(), tags)
        record = instance.get_run_records(dg.RunsFilter([run.run_id]))[0]
        check_run_timeout(instance, record, logging.getLogger("test"), default_timeout_seconds=1e-6)
        assert status_of(instance, run) == left


def test_a_newer_process_with_the_number_is_not_the_runs():
    started_at = process_started_at(os.getpid())
    assert RunProcess(os.getpid(), started_at + 1).is_alive()
    assert not RunProcess(os.getpid(), started_at - CLOCK_STEP_S - 1).is_alive()


def test_a_process_nobody_has_waited_for_is_not_alive():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not RunProcess(process.pid, process_started_at(process.pid)).is_alive()
