"""A real Slurm on this machine, and the launcher of a step that uses it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentworld_dag.resources.slurm_jobs import SlurmJobs

ROOT = Path(__file__).parents[2]
SLURM = ROOT / "infra" / "slurm.sh"
SEEN_WITHIN_S = 240


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its folder; Slurm's commands find it by the environment."""
    with started(tmp_path_factory.mktemp("slurm"), nodes=1) as folder:
        yield folder


@pytest.fixture(scope="module")
def slurm_of_two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with started(tmp_path_factory.mktemp("slurm"), nodes=2) as folder:
        yield folder


@contextmanager
def started(folder: Path, nodes: int) -> Iterator[Path]:
    if not shutil.which("sbatch"):
        pytest.skip("no Slurm on this machine: make slurm installs one")
    subprocess.run([SLURM, "start", folder, str(nodes)], check=True)
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            patched.setenv("PYTHONPATH", str(ROOT))
            yield folder
    finally:
        subprocess.run([SLURM, "stop", folder], check=True)


def slurm_jobs(tmp_path: Path, *options: str) -> SlurmJobs:
    passed = ["AGENTWORLD_*", "HOME", "PATH", "PYTHONPATH"]
    folder, options_list = str(tmp_path / "jobs"), list(options)
    return SlurmJobs(
        tracking_uri="", folder=folder, python=sys.executable, options=options_list, passed=passed, poll_s=0.2
    )


def told(*command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def state_of(job_id: str) -> str:
    return told("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T").strip()


def wait_until(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + SEEN_WITHIN_S
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def attempts(out: Path) -> list[int]:
    """Ids of the processes that have begun to make the artifact."""
    path = out / "attempts"
    return [int(line) for line in path.read_text().splitlines()] if path.is_file() else []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def stop_controller(folder: Path) -> None:
    """By SIGTERM: it keeps its state every 5 s, and one that is killed takes a job younger than that along."""
    pid = int((folder / "slurmctld.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_alive(pid))


def start_controller() -> None:
    told("slurmctld")
