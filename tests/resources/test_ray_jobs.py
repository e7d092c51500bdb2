"""Stages on a real Ray, whose tests are run in a network namespace of their own, for Ray listens on every address.

What can be seen without a cluster is tried on a stand-in for Ray's client.
"""

import importlib.util
import os
import secrets
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from agentworld_dag.resources import ray_jobs, remote_job
from agentworld_dag.resources.ending import Reason
from agentworld_dag.resources.ray_jobs import RayJobs
from tests.resources.launching import launched, reason, toy

CPT = "agentworld_dag.training.cpt"
TESTS = Path(__file__).with_name("on_ray.py")
ROOT = Path(__file__).parents[2]
ALONE = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]


def test_a_stage_on_several_nodes_is_refused_before_ray_is_asked(tmp_path: Path) -> None:
    result, _ = launched(RayJobs(tracking_uri=""), replace(toy(tmp_path, "finish"), module=CPT), tmp_path, nodes=2)
    assert reason(result).startswith("ConfigError: agentworld_dag.training.cpt asks for 2 nodes, a job of Ray has one")


class Client:
    """Ray's own client as far as a cancel goes. State: jobs, and how often it is still out of reach."""

    def __init__(self, status: str, lost_calls: int) -> None:
        self.status, self.lost_calls = status, lost_calls

    def get_job_info(self, name: str) -> Any:
        self._reach()
        status = SimpleNamespace(is_terminal=lambda: self.status in ("STOPPED", "SUCCEEDED"))
        return SimpleNamespace(submission_id=name, status=status)

    def stop_job(self, name: str) -> None:
        self._reach()
        self.status = "STOPPED"

    def _reach(self) -> None:
        if self.lost_calls:
            self.lost_calls -= 1
            raise OSError("connection refused")


@pytest.mark.parametrize("lost_calls", [0, 1, 3])
def test_a_cancel_is_asked_for_again_while_ray_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, lost_calls: int
) -> None:
    monkeypatch.setattr(remote_job, "POLL_S", 0)
    client = Client("RUNNING", lost_calls)
    ray_jobs._stop(dg.build_asset_context(), client, "toy-1", 1)  # pyright: ignore[reportArgumentType]
    assert client.status == "STOPPED"


def test_a_cancel_that_cannot_be_had_is_told_and_stays_a_cancel(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ray_jobs, "STOP_PATIENCE_S", 0)
    monkeypatch.setattr(remote_job, "POLL_S", 0.01)
    client = Client("RUNNING", lost_calls=1_000_000)
    ray_jobs._stop(dg.build_asset_context(), client, "toy-1", 1)  # pyright: ignore[reportArgumentType]
    told = capfd.readouterr().err
    assert "job toy-1 may go on (Ray has been out of reach for 0 s: connection refused; " in told
    assert "stop it by `ray job stop toy-1`" in told


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Job supervisor actor died: Worker was killed due to the node running low on memory.", Reason.OUT_OF_MEMORY),
        ("Job supervisor actor died: the node is gone", Reason.LOST),
    ],
)
def test_what_ray_s_memory_monitor_killed_is_told_apart(message: str, reason: Reason) -> None:
    job = SimpleNamespace(
        status="FAILED", driver_exit_code=None, error_type="JOB_SUPERVISOR_ACTOR_DIED", message=message
    )
    assert ray_jobs._ending(job, []).reason is reason  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_stages_run_on_a_real_ray() -> None:
    run_on_ray("not nightly")


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_all_training_stages_make_the_same_weights_here_and_on_ray() -> None:
    run_on_ray("nightly")


def run_on_ray(marked: str) -> None:
    """The tests that are marked so, in a namespace of their own."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install 'agentworld-dag[ray]' -c constraints.txt")
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    run = shlex.join([sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-m", marked, str(TESTS)])
    inside = [*ALONE, "bash", "-c", f"ip link set lo up && exec {run}"]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": paths, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment |= {"RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300"}
    done = subprocess.run(inside, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-10_000:]
