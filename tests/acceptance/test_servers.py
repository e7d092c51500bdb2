"""Servers that scripts start: alone in the world while they run, and gone afterwards."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from agentworld_dag.acceptance.servers import CEPH, POSTGRES, scripted
from tests.acceptance.installed import ceph_is_here, postgres_is_here

pytestmark = pytest.mark.slow
NO_CEPH = pytest.mark.skipif(not ceph_is_here(), reason="no Ceph gateway here; `make s3` installs one")
NO_POSTGRES = pytest.mark.skipif(not postgres_is_here(), reason="no PostgreSQL here; `make postgres` installs one")
SCRIPTS = [
    pytest.param(CEPH, "mon.a.pid", marks=NO_CEPH, id="ceph"),
    pytest.param(POSTGRES, "data/server.log", marks=NO_POSTGRES, id="postgres"),
]


def processes_of(folder: Path) -> list[str]:
    """Command lines that name a folder, or run in it: a server's children have titles instead of arguments."""
    found = []
    places = {str(folder), os.path.realpath(folder / "data")}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.name != str(os.getpid()):
                told = (entry / "cmdline").read_bytes().decode() + str((entry / "cwd").readlink())
                found += [told] if any(place in told for place in places) else []
        except OSError:
            continue  # it has ended meanwhile
    return found


@pytest.mark.parametrize(("script", "_"), SCRIPTS)
def test_a_server_holds_nothing_of_who_started_it_and_is_gone_afterwards(script: Path, _: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    folder = tmp_path / "server"
    started = subprocess.run([script, "start", folder], capture_output=True, pass_fds=[writing], timeout=240)
    os.close(writing)
    try:
        assert started.returncode == 0, started.stderr
        assert processes_of(folder)
        os.set_blocking(reading, False)
        assert os.read(reading, 1) == b"", "nobody else has the other end open"
    finally:
        os.close(reading)
        places = {folder, Path(os.path.realpath(folder / "data"))}
        subprocess.run([script, "stop", folder], check=True, timeout=60)
    assert not any(processes_of(place) for place in places)
    assert {path.suffix for path in folder.iterdir()} <= {".log"}


@pytest.mark.parametrize(("script", "a_daemon"), SCRIPTS)
def test_a_start_that_is_killed_leaves_nothing_once_it_is_stopped(script: Path, a_daemon: str, tmp_path: Path) -> None:
    with subprocess.Popen([script, "start", tmp_path], stdout=subprocess.DEVNULL, start_new_session=True) as starting:
        while not (tmp_path / a_daemon).exists():
            assert starting.poll() is None
            time.sleep(0.01)
        starting.send_signal(signal.SIGKILL)
    place = Path(os.path.realpath(tmp_path / "data"))
    subprocess.run([script, "stop", tmp_path], check=True, timeout=60)
    assert not processes_of(tmp_path)
    assert not place.exists()


@NO_POSTGRES
def test_a_server_that_was_left_behind_makes_way(tmp_path: Path) -> None:
    left = subprocess.run([POSTGRES, "start", tmp_path], stdout=subprocess.PIPE, check=True, timeout=240).stdout
    with scripted(POSTGRES, tmp_path) as variables:
        assert variables["AGENTWORLD_DATABASE"] not in left.decode()
