"""Stages on a real Ray: its tests are run in a network namespace of their own, for Ray listens on every address."""

import importlib.util
import os
import secrets
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agentworld_dag.resources.ray_jobs import RayJobs
from tests.resources.launching import launched, reason, toy

CPT = "agentworld_dag.training.cpt"
TESTS = Path(__file__).with_name("on_ray.py")
ROOT = Path(__file__).parents[2]
ALONE = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]


def test_a_stage_on_several_nodes_is_refused_before_ray_is_asked(tmp_path: Path) -> None:
    result, _ = launched(RayJobs(tracking_uri=""), replace(toy(tmp_path, "finish"), module=CPT), tmp_path, nodes=2)
    assert reason(result).startswith("ConfigError: agentworld_dag.training.cpt asks for 2 nodes, a job of Ray has one")


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
