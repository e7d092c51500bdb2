"""The script of a throw-away Slurm: a start that fails leaves nothing, and a stop ends nobody else's process."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.files import INFRA

SLURM = INFRA / "slurm.sh"
pytestmark = pytest.mark.skipif(not shutil.which("sbatch"), reason="no Slurm on this machine: make slurm installs one")


def of_folder(folder: Path) -> list[str]:
    """Command lines of processes that name it."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode())
        except OSError:
            continue  # it has ended meanwhile
    return [line for line in lines if f"{folder}/" in line]


def test_a_start_that_fails_ends_what_it_has_begun(tmp_path: Path) -> None:
    (broken := tmp_path / "bin" / "slurmctld").parent.mkdir()
    broken.write_text("#!/bin/sh\necho fatal: the port is taken >&2\nexit 1\n")
    broken.chmod(0o755)
    path = f"{broken.parent}{os.pathsep}{os.environ['PATH']}"
    folder = tmp_path / "slurm"
    with (tmp_path / "log").open("w") as log:  # a daemon that is left would hold a pipe open
        ended = subprocess.run([SLURM, "start", folder], env=os.environ | {"PATH": path}, stderr=log, timeout=120)
    assert ended.returncode
    assert "the port is taken" in (tmp_path / "log").read_text()
    assert (folder / "munge.key").exists()
    assert not of_folder(folder)


def test_a_stop_ends_no_process_that_has_the_number_of_a_dead_daemon(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "slurmd.node1.pid").write_text(str(other.pid))
        subprocess.run([SLURM, "stop", tmp_path], check=True, timeout=120)
        assert other.poll() is None
        other.kill()
