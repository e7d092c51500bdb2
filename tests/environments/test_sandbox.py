"""Every attempt to get out fails inside and leaves the host as it was."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentworld_dag.environments import landlock, sandbox
from agentworld_dag.environments.bash_session import PROCESSES, ActionTimeout, BashSession
from agentworld_dag.errors import SandboxError
from tests.environments.host_processes import peak_of, processes_of

needs_python = pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no python3 in /usr to attack with")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A host directory that any user may read and write."""
    folder = Path("/tmp") / f"agentworld-test-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def said(shell: BashSession, command: str) -> str:
    return shell.run(command).output.decode(errors="replace")


def uid_of(shell: BashSession) -> int:
    return os.stat(".", dir_fd=shell.process_fd).st_uid


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_cannot_write_outside(shell: BashSession, open_folder: Path) -> None:
    victim = open_folder / "victim"
    victim.write_text("untouched")
    victim.chmod(0o666)
    targets = ["/etc/agentworld-escape", "/usr/agentworld-escape", "/agentworld-escape", "/root/agentworld-escape"]
    for target in [*targets, f"{open_folder}/new", str(victim), "../../../../tmp/agentworld-escape"]:
        shell.run(f"echo escaped > {target}; mkdir {target}.d; ln -s /etc {target}.l")
    shell.run(f"rm -rf {open_folder}/victim; mv {open_folder}/victim moved; : > {victim}; chmod 000 {victim}")
    assert victim.read_text() == "untouched"
    assert victim.stat().st_mode & 0o777 == 0o666
    assert list(open_folder.iterdir()) == [victim]
    assert not list(Path("/tmp").glob("agentworld-escape*"))
    assert not [path for target in targets for path in (target, f"{target}.d", f"{target}.l") if os.path.lexists(path)]


def test_cannot_write_to_the_system_through_a_link(shell: BashSession) -> None:
    before = Path("/usr/bin/ls").stat()
    shell.run("ln -s /usr/bin/ls link; echo escaped > link; cp /dev/null link; rm /usr/bin/ls")
    after = Path("/usr/bin/ls").stat()
    assert (before.st_ino, before.st_size, before.st_mtime_ns) == (after.st_ino, after.st_size, after.st_mtime_ns)


def test_cannot_read_the_host(shell: BashSession, open_folder: Path) -> None:
    secret = open_folder / "secret"
    secret.write_text("hunter2")
    assert "hunter2" not in said(shell, f"cat {secret}; ln -s {secret} link; cat link; ln {secret} hard; cat hard")
    assert "root:" not in said(shell, "cat /etc/passwd /etc/shadow ../../etc/passwd")
    assert shell.run("ls /root").exit_code != 0
    assert shell.run("cat /proc/1/root/etc/passwd").exit_code != 0
    assert shell.run(f"ls {Path(__file__).parent}").exit_code != 0


def test_cannot_reach_the_network(shell: BashSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert shell.run(f"exec 5<>/dev/tcp/127.0.0.1/{port}").exit_code != 0
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert shell.run("exec 5<>/dev/tcp/1.1.1.1/53").exit_code != 0
    assert shell.run("exec 5<>/dev/tcp/example.com/80").exit_code != 0


@needs_python
def test_cannot_reach_an_abstract_socket_of_the_host(shell: BashSession) -> None:
    name = f"agentworld-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        attack = f"import socket; socket.socket(socket.AF_UNIX).connect(chr(0) + {name!r})"
        assert shell.run(f'/usr/bin/python3 -S -c "{attack}"').exit_code != 0
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_fork_bomb_is_bounded_and_leaves_nothing(shells: Callable[..., BashSession]) -> None:
    shell = shells(timeout_s=1.0)
    uid = uid_of(shell)
    before = len(processes_of(uid))
    with peak_of(uid) as peak, pytest.raises(SandboxError):
        for _ in range(20):  # where bash gives up forking early it answers, and is asked again
            shell.run("bomb() { bomb | bomb & bomb | bomb; }; bomb")
            shell.run("sleep 5")
    assert before < max(peak) <= before + PROCESSES
    assert wait_until(lambda: not processes_of(uid))


def test_filling_the_disk_is_bounded(shells: Callable[..., BashSession], backend: sandbox.Backend) -> None:
    shell = shells(timeout_s=3.0)
    shell.run("cat /dev/zero > big")
    assert os.stat("big", dir_fd=shell.home_fd).st_size <= 64 << 10
    assert shell.run("echo still here").output == b"still here\n"
    if backend == "bwrap":
        for place in (".", "/tmp", "/dev/shm"):
            assert int(said(shell, f"df -k --output=size {place} | tail -1")) <= 64 << 10


def test_a_growing_home_is_given_back(shells: Callable[..., BashSession]) -> None:
    shell = shells(timeout_s=1.0)
    free_before = shutil.disk_usage("/tmp").free
    with pytest.raises(ActionTimeout):
        shell.run("i=0; while :; do cat /dev/zero > f$((i++)); done 2> /dev/null")
    assert shutil.disk_usage("/tmp").free > free_before - (64 << 20)


def test_no_environment_leaks(shells: Callable[..., BashSession], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTWORLD_TEST_SECRET", "hunter2")
    child_of_secret = subprocess.Popen(["sleep", "30"])
    try:
        shell = shells()
        assert "hunter2" not in said(shell, "env; set; export -p; cat /proc/*/environ | tr '\\0' '\\n'")
        assert "AGENTWORLD" not in said(shell, "cat /proc/1/environ /proc/self/environ /proc/$PPID/environ")
    finally:
        child_of_secret.kill()
        child_of_secret.wait()


def test_no_file_of_the_caller_is_inherited(backend: sandbox.Backend, open_folder: Path) -> None:
    secret = open_folder / "secret"
    secret.write_text("hunter2")
    descriptor = os.dup2(os.open(secret, os.O_RDONLY), 99)  # 10 and 11 are the driver's own
    shell = BashSession(backend, 10.0, 10_000)
    try:
        assert "hunter2" not in said(shell, "for n in {3..9} {12..255}; do cat <&$n; done 2> /dev/null")
    finally:
        shell.close()
        os.close(descriptor)


@pytest.mark.parametrize(
    "command",
    ["unshare -Ur true", "unshare -n true", "unshare -m true", "unshare --pid --fork true", "unshare --time true"],
)
def test_no_nested_namespaces(shell: BashSession, command: str) -> None:
    assert shell.run(command).exit_code != 0


@pytest.mark.parametrize(
    "command", ["mount -t tmpfs none .", "chroot / true", "mknod disk b 8 0", "nsenter -t 1 -a true", "hostname x"]
)
def test_no_privileged_operation(shell: BashSession, command: str) -> None:
    assert shell.run(command).exit_code != 0


def test_cannot_signal_a_process_of_the_host(shell: BashSession) -> None:
    bystander = subprocess.Popen(["sleep", "30"])
    try:
        shell.run(f"kill -9 {bystander.pid}; kill -9 {os.getpid()} {os.getppid()}; trap '' TERM; kill -TERM -- -1")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@needs_python
def test_memory_is_bounded(shell: BashSession) -> None:
    assert shell.run('/usr/bin/python3 -S -c "bytearray(3 << 30)"').exit_code != 0


def test_a_timeout_kills_the_whole_tree(shells: Callable[..., BashSession]) -> None:
    shell = shells(timeout_s=0.5)
    marker = "31.4159"
    with pytest.raises(ActionTimeout, match="no answer to"):
        shell.run(f"sleep {marker} & setsid sleep {marker} & nohup sleep {marker} & sleep {marker}")
    assert not sleepers(marker)
    with pytest.raises(SandboxError, match="over"):
        shell.run("echo back")


def test_closing_leaves_no_process_and_no_file(backend: sandbox.Backend) -> None:
    shell = BashSession(backend, 10.0, 1000)
    assert shell._jail is not None
    private = shell._jail.private
    assert (private is None) == (backend == "bwrap")
    shell.run("mkdir -p a/b; chmod 000 a; (sleep 27.1828 &); sleep 27.1828 &")
    shell.close()
    shell.close()
    assert not sleepers("27.1828")
    assert private is None or not private.exists()


def sleepers(seconds: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if command[:2] == [b"sleep", seconds.encode()]:
            found.append(entry.name)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its uid")
def test_root_gives_every_session_a_uid_of_its_own(shells: Callable[..., BashSession]) -> None:
    uids = {uid_of(shells()) for _ in range(3)}
    assert len(uids) == 3
    assert 0 not in uids


def test_a_killed_caller_leaves_no_shell(backend: sandbox.Backend) -> None:
    script = (
        "import time; from agentworld_dag.environments.bash_session import BashSession;"
        f"s = BashSession({backend!r}, 10.0, 1000); s.run('sleep 28.1828 &');"
        "print(s._jail.shell_pid(), s._jail.private or '', flush=True); time.sleep(60)"
    )
    caller = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert caller.stdout is not None
    shell_pid, *private = caller.stdout.readline().decode().split()
    assert wait_until(lambda: bool(sleepers("28.1828")))
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    assert wait_until(lambda: not Path(f"/proc/{shell_pid}").exists())
    if backend == "bwrap":  # landlock has no pid namespace to take the background with it
        assert wait_until(lambda: not sleepers("28.1828"))
    for pid in sleepers("28.1828"):
        os.kill(int(pid), signal.SIGKILL)
    for folder in private:
        shutil.rmtree(folder)


def test_a_signal_to_the_callers_group_does_not_reach_the_sandbox(backend: sandbox.Backend) -> None:
    """A bwrap that is ended while it sets up leaves a child behind that waits for it for ever."""
    script = (
        "import os, signal; from agentworld_dag.environments.bash_session import BashSession;"
        "signal.signal(signal.SIGTERM, lambda *_: None);"
        f"s = BashSession({backend!r}, 10.0, 1000); os.killpg(0, signal.SIGTERM); print(s.run('echo alive').output)"
    )
    caller = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, start_new_session=True)
    assert "alive" in caller.stdout, caller.stderr


def test_no_isolation_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sandbox.FORCE_VARIABLE, raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(landlock, "why_unavailable", lambda: "the kernel offers landlock ABI -1")
    sandbox.pick_backend.cache_clear()
    with pytest.raises(SandboxError, match=r"bwrap is not installed.*ABI -1.*apt-get install bubblewrap"):
        sandbox.pick_backend()


def test_an_unknown_forced_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sandbox.FORCE_VARIABLE, "none")
    sandbox.pick_backend.cache_clear()
    with pytest.raises(SandboxError, match="'none', expected one of bwrap, landlock"):
        sandbox.pick_backend()


def test_landlock_is_taken_where_bubblewrap_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    if landlock.why_unavailable():
        pytest.skip(landlock.why_unavailable())
    monkeypatch.delenv(sandbox.FORCE_VARIABLE, raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    sandbox.pick_backend.cache_clear()
    assert sandbox.pick_backend() == "landlock"
    sandbox.pick_backend.cache_clear()
