"""The instance of a home: its limits, and what dead runs leave in it."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.errors import ConfigError
from agentworld_dag.home import Home
from agentworld_dag.jobs.instance import GPU_POOL, GPU_SLOTS, STARTED_BY, opened
from agentworld_dag.jobs.launcher import LocalRunLauncher
from tests.jobs.begun import begun_run, free_slots, status_of


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("AGENTWORLD_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "set again by what is tested")
    monkeypatch.delenv(GPU_SLOTS, raising=False)
    return Home(tmp_path)


def test_two_stages_side_by_side_unless_told_otherwise(place, monkeypatch):
    with opened(place) as instance:
        assert free_slots(instance, GPU_POOL) == 2
    monkeypatch.setenv(GPU_SLOTS, "1")
    with opened(place) as instance:
        assert free_slots(instance, GPU_POOL) == 1


@pytest.mark.parametrize("given", ["0", "-1", "many"])
def test_slots_that_are_no_number(place, monkeypatch, given):
    monkeypatch.setenv(GPU_SLOTS, given)
    found = rf"{GPU_SLOTS} is '{given}', expected a whole number from 1 on"
    with pytest.raises(ConfigError, match=found), opened(place):
        pass


def test_dagster_takes_the_settings(place):
    with opened(place) as instance:
        assert isinstance(instance.run_launcher, LocalRunLauncher)
        assert instance.run_monitoring_enabled
        assert instance.run_retries_max_retries == 2
        assert not instance.run_retries_retry_on_asset_or_op_failure
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.tag_concurrency_limits == [
            {"key": "agentworld/one_at_a_time", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
        ]


def test_a_pool_nobody_set_has_one_slot(place):
    with opened(place) as instance:
        instance.event_log_storage.initialize_concurrency_limit_to_default("registry")
        assert free_slots(instance, "registry") == 1


def test_killed_command_line_gives_its_slots_back(place, ended_pid):
    with opened(place) as instance:
        run = begun_run(instance, ended_pid, {STARTED_BY: "command line"})
        assert free_slots(instance, GPU_POOL) == 1
    with opened(place) as instance:
        assert free_slots(instance, GPU_POOL) == 2
        assert status_of(instance, run) == dg.DagsterRunStatus.CANCELED


def test_dead_run_of_the_ui_gives_its_slots_back_and_is_left_to_the_daemon(place, ended_pid):
    with opened(place) as instance:
        run = begun_run(instance, ended_pid)
    with opened(place) as instance:
        assert free_slots(instance, GPU_POOL) == 2
        assert status_of(instance, run) == dg.DagsterRunStatus.STARTED


def test_living_run_of_the_ui_keeps_its_slots(place):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with opened(place) as instance:
            begun_run(instance, process.pid)
        with opened(place) as instance:
            assert free_slots(instance, GPU_POOL) == 1
        process.kill()
