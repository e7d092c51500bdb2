"""The same sandboxes started by an ordinary user: no uid to drop, and the user's own files at stake."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentworld_dag
from agentworld_dag.environments import sandbox
from agentworld_dag.environments.bash_session import PROCESSES
from tests.environments.host_processes import peak_of, processes_of

SYSTEM_PYTHON = "/usr/bin/python3"
NOBODY = 65534
AS_NOBODY = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None or not Path(SYSTEM_PYTHON).exists(),
    reason="needs root, setpriv and a system python to play an ordinary user",
)

SCRIPT = """
import asyncio, sys
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.errors import SandboxError
async def main():
    terminal = RealTerminal(1.0, 4000)
    print(await terminal.reset("cwd=~\\ndocs/=\\ndocs/list=red/blue", 1))
    try:
        for action in sys.argv[1:]:
            print(await terminal.step(action))
        print(await terminal.state())
    except SandboxError as error:
        print("the session ended:", error)
    await terminal.close()
asyncio.run(main())
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of the user's with a readable copy of the package."""
    folder = Path(tempfile.mkdtemp(prefix="test-unprivileged-", dir="/tmp"))
    source = Path(agentworld_dag.__file__).parent
    shutil.copytree(source, folder / "agentworld_dag", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chown", "-R", str(NOBODY), folder], check=True)
    yield folder
    shutil.rmtree(folder)


def play(place: Path, backend: sandbox.Backend, *actions: str) -> str:
    result = subprocess.run(
        [*AS_NOBODY, SYSTEM_PYTHON, "-B", "-c", SCRIPT, *actions],
        env={"PYTHONPATH": str(place), sandbox.FORCE_VARIABLE: backend, "PATH": "/usr/bin:/bin"},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_session_works(place: Path, backend: sandbox.Backend) -> None:
    answer = play(place, backend, "cat docs/list", "cd docs", "rm list")
    assert answer == "~$\nred\nblue\n~$\n~/docs$\n~/docs$\ncwd=~/docs\ndocs/=\n"


def test_the_users_own_files_are_safe(place: Path, backend: sandbox.Backend) -> None:
    mine = place / "mine"
    mine.write_text("hunter2")
    os.chown(mine, NOBODY, NOBODY)
    before = mine.stat()
    answer = play(
        place, backend,
        f"cat {mine}", f"echo escaped > {mine}", f"chmod 777 {mine}", f"touch -d 2001-01-01 {mine}", f"rm -f {mine}",
        f"mv {mine} .", f"chown 1 {mine}", f": > {mine}", f"truncate -s 0 {mine}", f"ln {mine} hard; cat hard",
    )  # fmt: skip
    after = mine.stat()
    assert "hunter2" not in answer
    assert mine.read_text() == "hunter2"
    assert (before.st_mode, before.st_mtime_ns, before.st_uid) == (after.st_mode, after.st_mtime_ns, after.st_uid)


def test_the_users_own_processes_are_safe(place: Path, backend: sandbox.Backend) -> None:
    bystander = subprocess.Popen(["sleep", "30"], user=NOBODY, group=NOBODY)
    try:
        play(place, backend, f"kill -9 {bystander.pid}", "kill -9 -- -1", "kill -9 -1")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_fork_bomb_is_bounded(place: Path, backend: sandbox.Backend) -> None:
    before = len(processes_of(NOBODY))
    with peak_of(NOBODY) as peak:
        play(place, backend, "for i in {1..500}; do sleep 9 & done")
    assert before < max(peak) <= before + PROCESSES + 10
    assert len(processes_of(NOBODY)) == before
