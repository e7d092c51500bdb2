"""Starts one bash inside an isolation back end, and ends it with everything it started.

Two back ends, picked by trying them: `bwrap` (bubblewrap: own mounts, pids and
network, homes on sized tmpfs) and `landlock` (landlock + seccomp + rlimits,
for hosts that refuse namespaces). Where neither works a SandboxError says
what was tried; there is no unsandboxed mode. When the caller is root every
sandbox gets a uid of its own: the kernel's process limit does not bind root.
Limits of one process (rlimits) are the driver's business, see `bash_session`.
"""

import functools
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agentworld_dag.environments import landlock
from agentworld_dag.errors import SandboxError

Backend = Literal["bwrap", "landlock"]

HOME = "/home/agent"
"""The home directory every shell sees, whatever the back end."""
FORCE_VARIABLE = "AGENTWORLD_SANDBOX"

ENVIRONMENT = {
    "HOME": HOME,
    "HOSTNAME": "sandbox",
    "LC_ALL": "C",
    "LOGNAME": "agent",
    "PATH": "/usr/bin:/bin",
    "SHELL": "/bin/bash",
    "TERM": "dumb",
    "TMPDIR": "/tmp",
    "TZ": "UTC",
    "USER": "agent",
}
_PROBE_TIMEOUT_S = 20
_TMPFS_BYTES = {HOME: 64 << 20, "/tmp": 32 << 20, "/dev/shm": 8 << 20}


@dataclass(frozen=True)
class Jail:
    """A running sandboxed bash."""

    backend: Backend
    process: subprocess.Popen[bytes]
    """What was started: bwrap's monitor, or the bash itself under landlock."""
    home: str
    """Its home directory, as the shell sees it."""
    private: Path | None
    """Host directory that holds home and temporary files under landlock; deleted at the end."""

    def shell_pid(self) -> int:
        """The bash's pid as the host sees it. Raises SandboxError when it is gone."""
        return self.process.pid if self.backend == "landlock" else _only_child(_only_child(self.process.pid))

    def kill(self) -> None:
        """End every process of the sandbox and free what it held; safe to call twice."""
        if self.process.returncode is None:
            _kill_all(self)
            self.process.wait()
        if self.private is not None and self.private.exists():
            _delete_tree(self.private)


@functools.cache
def pick_backend() -> Backend:
    """The isolation this host allows, best first. Raises SandboxError naming what was tried and what to do."""
    probes: dict[Backend, Callable[[], str]] = {"bwrap": _why_no_bwrap, "landlock": _why_no_landlock}
    forced = os.environ.get(FORCE_VARIABLE)
    if forced is not None and forced not in probes:
        known = ", ".join(probes)
        raise SandboxError(f"{FORCE_VARIABLE} is {forced!r}, expected one of {known}; unset it to choose by trying")
    failures = []
    for backend, why_not in probes.items():
        if forced in (None, backend):
            if not (reason := why_not()):
                return backend
            failures.append(f"{backend}: {reason}")
    raise SandboxError(
        f"no isolation for the real shell on this host ({'; '.join(failures)}). Install bubblewrap 0.8 or newer "
        "(apt-get install bubblewrap) and allow user namespaces, or use a kernel with landlock (6.2 or newer)"
    )


def start(backend: Backend, bash_arguments: list[str], commands: int, output: int, control: int) -> Jail:
    """Start bash with stdin, stderr and stdout on the given descriptors (stdout is the control channel)."""
    launch = _start_bwrap if backend == "bwrap" else _start_landlock
    try:
        return launch(bash_arguments, commands, output, control)
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"{backend} could not start: {error}; check that this host still allows it") from error


def can_drop_uid() -> bool:
    """Whether sandboxes get a uid of their own: root does that, but for a fake root with a single uid."""
    return os.geteuid() == 0 and len(_uids()) > 1


def _start_bwrap(bash_arguments: list[str], commands: int, output: int, control: int) -> Jail:
    # env={}: bwrap is pid 1 inside, and its /proc/1/environ can be read there whatever --clearenv says.
    # A session of its own: a bwrap that is signalled while it sets up leaves a child that waits for it for ever.
    process = subprocess.Popen(
        [*_drop_uid(), *_bwrap_arguments(), *bash_arguments],
        stdin=commands, stdout=control, stderr=output, env={}, cwd="/", start_new_session=True,
    )  # fmt: skip
    return Jail("bwrap", process, HOME, None)


def _start_landlock(bash_arguments: list[str], commands: int, output: int, control: int) -> Jail:
    uid = _fresh_uid() if can_drop_uid() else None
    # Not TMPDIR: the sandbox's uid must be able to walk there.
    private = Path(tempfile.mkdtemp(prefix="agentworld-", dir="/tmp"))
    home, temporary = private / "home", private / "tmp"
    for folder in (private, home, temporary):
        folder.mkdir(exist_ok=True)
        if uid is not None:
            os.chown(folder, uid, uid)
    process = subprocess.Popen(
        [_bash(), *bash_arguments], stdin=commands, stdout=control, stderr=output, cwd=home,
        env=ENVIRONMENT | {"HOME": str(home), "TMPDIR": f"{home}/../tmp"},
        start_new_session=True, preexec_fn=functools.partial(landlock.confine, private, uid),
    )  # fmt: skip
    return Jail("landlock", process, str(home), private)


@functools.cache
def _bwrap_arguments() -> tuple[str, ...]:
    arguments = [_bwrap(), "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
    arguments += ["--uid", "1000", "--gid", "1000", "--hostname", ENVIRONMENT["HOSTNAME"], "--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/lib", "/lib64", "/sbin"):
        if Path(name).is_symlink():
            arguments += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).is_dir():
            arguments += ["--ro-bind", name, name]
    arguments += ["--dir", "/etc", "--proc", "/proc", "--dev", "/dev"]
    for place, size in _TMPFS_BYTES.items():
        arguments += ["--size", str(size), "--tmpfs", place]
    arguments += ["--remount-ro", "/", "--chdir", HOME, "--clearenv"]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    return (*arguments, "--cap-drop", "ALL", _bash())


def _why_no_bwrap() -> str:
    """Empty when a bubblewrap sandbox really starts here, else why not."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed"
    if can_drop_uid() and shutil.which("setpriv") is None:
        return "setpriv (util-linux), which drops the uid, is not installed"
    return _why_failing([*_drop_uid(), *_bwrap_arguments(), "-c", "exit 0"], env={}, cwd="/")


def _why_no_landlock() -> str:
    """Empty when a process really can be confined here, else why not."""
    uid = _fresh_uid() if can_drop_uid() else None
    confine = functools.partial(landlock.confine, Path("/tmp"), uid)
    return landlock.why_unavailable() or _why_failing([_bash(), "-c", "exit 0"], env={}, preexec_fn=confine)


def _why_failing(command: list[str], **options: Any) -> str:
    try:
        probe = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False,
            start_new_session=True, **options,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return "" if probe.returncode == 0 else probe.stderr.decode(errors="replace").strip() or f"exit {probe.returncode}"


def _bwrap() -> str:
    return shutil.which("bwrap") or "bwrap"


def _bash() -> str:
    return "/bin/bash"


def _drop_uid() -> list[str]:
    """A command prefix and not Popen(user=...): that would copy this process, gigabytes of it in a trainer."""
    if not can_drop_uid():
        return []
    uid = str(_fresh_uid())
    return [shutil.which("setpriv") or "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--no-new-privs"]


def _fresh_uid() -> int:
    """A uid no account and, with overwhelming probability, no other sandbox has."""
    return secrets.choice(_uids())


def _uids() -> range:
    """The upper part of the uids this user namespace has: accounts sit in the lower."""
    first, _, count = map(int, Path("/proc/self/uid_map").read_text().splitlines()[-1].split())
    return range(first + count // 4, first + min(count, 2**31) - 1)


def _only_child(pid: int) -> int:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError as error:
        raise SandboxError(f"the sandbox is gone ({error}); start a new episode") from error
    if not children:
        raise SandboxError(f"sandbox process {pid} has no child: the shell has died; start a new episode")
    return int(children[0])


def _kill_all(jail: Jail) -> None:
    if jail.backend == "landlock":
        # seccomp denies setsid and setpgid, so the group holds every process there is.
        _signal(os.killpg, jail.process.pid)
        return
    try:
        # Killing the namespace's pid 1 rather than the monitor: its exit then means that all inside are gone.
        _signal(os.kill, _only_child(jail.process.pid))
    except SandboxError:
        _signal(os.kill, jail.process.pid)


def _signal(send: Callable[[int, int], None], target: int) -> None:
    try:
        send(target, signal.SIGKILL)
    except ProcessLookupError:
        return


def _delete_tree(folder: Path) -> None:
    """Delete what a hostile shell left: any depth, any mode."""
    remove = ["rm", "-rf", "--", str(folder)]
    if subprocess.run(remove, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return
    subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
    if subprocess.run(remove, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise SandboxError(f"cannot delete {folder}, which a finished sandbox left; delete it by hand")
