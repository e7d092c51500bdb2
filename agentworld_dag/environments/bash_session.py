"""One persistent bash per episode, driven command by command.

A driver loop inside the sandbox reads a command and then a token, both ended
by NUL, and answers `token exit-code` on a control channel of its own, so
nothing a command prints can pass for an answer. A command that goes looking
for the driver's descriptors can still lie about its own exit code, and about
no more: what counts is read from outside, see `file_system`. Whatever goes to
stdout or stderr is output. No terminal is emulated.
"""

import os
import secrets
import select
import time
from dataclasses import dataclass
from pathlib import Path

from agentworld_dag.environments import sandbox
from agentworld_dag.errors import SandboxError

START_TIMEOUT_S = 20.0
PROCESSES, OPEN_FILES, CPU_S, MEMORY_KIB, FILE_KIB = 64, 256, 10, 1 << 20, 64
"""Limits of everything in one session; a file may hold 64 KiB, so no command can grow one without end."""

# `$?` has to be the last command's status and not that of the loop's own work, hence the function.
_DRIVER = """
ulimit -c 0; ulimit -n {files}; ulimit -t {cpu_s}; ulimit -v {memory_kib}; ulimit -f {file_kib}; ulimit -u {processes}
trap '' XFSZ
umask 022
__status() {{ return "$1"; }}
__code=0
exec 8<&0 9>&1 1>&2 0</dev/null
while IFS= builtin read -r -d '' -u 8 __command; do
  __status "$__code"
  eval "$__command" 8<&- 9>&-
  __code=$?
  IFS= builtin read -r -d '' -u 8 __token
  builtin printf '%s %d\\n' "$__token" "$__code" >&9
done
"""


class ActionTimeout(SandboxError):
    """A command did not end in time; the session has been killed."""


@dataclass(frozen=True)
class CommandResult:
    output: bytes
    """Merged stdout and stderr in the order written, at most the session's cap."""
    truncated: bool
    exit_code: int


class BashSession:
    """A sandboxed bash. A SandboxError from any method means that the session is dead and already cleaned up.

    The thread that starts a session must outlive it: the kernel kills the sandbox when that thread ends.
    """

    def __init__(self, backend: sandbox.Backend, timeout_s: float, max_output_bytes: int):
        self._timeout_s = timeout_s
        self._max_output_bytes = max_output_bytes
        self._commands = self._output = self._control = self.home_fd = self.process_fd = -1
        self._output_open = True
        self._poll = select.poll()
        self._jail: sandbox.Jail | None = None
        try:
            self._jail = self._start(backend)
        except BaseException:
            self.close()
            raise

    def wait_for_start(self) -> None:
        """Block until the shell answers, as `run` does: sessions made in a row start side by side meanwhile."""
        if self._jail is None or self.process_fd >= 0:
            return
        try:
            self._run("builtin true", START_TIMEOUT_S)
            self._open_views(self._jail)
        except BaseException:
            self.close()
            raise

    def run(self, command: str) -> CommandResult:
        """Run one command. Raises ActionTimeout when it takes too long, SandboxError when the shell dies of it."""
        self.wait_for_start()
        return self._run(command, self._timeout_s)

    def close(self) -> None:
        """Kill the shell and all it started; safe to call twice."""
        for name in ("_commands", "_output", "_control", "home_fd", "process_fd"):
            if (descriptor := getattr(self, name)) >= 0:
                os.close(descriptor)
                setattr(self, name, -1)
        if self._jail is not None:
            self._jail.kill()

    def _start(self, backend: sandbox.Backend) -> sandbox.Jail:
        commands, self._commands = os.pipe()
        self._output, output = os.pipe()
        self._control, control = os.pipe()
        try:
            arguments = ["--noprofile", "--norc", "-c", _driver(), "bash"]
            jail = sandbox.start(backend, arguments, commands, output, control)
        finally:
            for descriptor in (commands, output, control):
                os.close(descriptor)
        for descriptor in (self._commands, self._output, self._control):
            os.set_blocking(descriptor, False)
        self._poll.register(self._output, select.POLLIN)
        self._poll.register(self._control, select.POLLIN)
        self.home = jail.home
        return jail

    def _open_views(self, jail: sandbox.Jail) -> None:
        """Descriptors of the home directory and of the bash's /proc entry: neither can come to mean another process."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            self.process_fd = os.open(f"/proc/{jail.shell_pid()}", flags)
            self.home_fd = os.open(f"root/{self.home.lstrip('/')}", flags, dir_fd=self.process_fd)
        except OSError as error:
            raise SandboxError(f"cannot look into the sandbox from outside: {error}; is /proc readable?") from error

    def _run(self, command: str, timeout_s: float) -> CommandResult:
        if self._commands < 0:
            raise SandboxError("the session is over; reset the environment to start another")
        token = secrets.token_hex(8)
        deadline = time.monotonic() + timeout_s
        try:
            self._send(command, token, deadline)
            output, exit_code = self._receive(token.encode(), deadline, command)
        except SandboxError:
            self.close()
            raise
        return CommandResult(output[: self._max_output_bytes], len(output) > self._max_output_bytes, exit_code)

    def _send(self, command: str, token: str, deadline: float) -> None:
        # NUL ends a command on the wire and can be in no bash word.
        payload = command.replace("\0", "").encode(errors="replace") + b"\0" + token.encode() + b"\0"
        while payload:
            try:
                payload = payload[os.write(self._commands, payload) :]
            except BrokenPipeError as error:
                raise SandboxError("the shell had ended before this command") from error
            except BlockingIOError:
                if not select.select([], [self._commands], [], _left(deadline))[1]:
                    raise _timeout(command) from None

    def _receive(self, token: bytes, deadline: float, command: str) -> tuple[bytes, int]:
        output, answer = b"", b""
        while not answer.endswith(b"\n"):
            if not self._poll.poll(_left(deadline) * 1000):
                raise _timeout(command)
            output = self._drain(output)
            answer += (piece := _read(self._control)) or b""
            if piece == b"":
                raise SandboxError(f"the shell ended on {command[:80]!r} after it had said {output[-200:]!r}")
        echoed, _, code = answer.strip().partition(b" ")
        if echoed != token:
            raise SandboxError(f"the session's control channel was tampered with by {command[:80]!r}")
        return self._drain(output), int(code)

    def _drain(self, output: bytes) -> bytes:
        """`output` plus what is ready to read, kept to one byte above the cap: enough to know it was exceeded."""
        while self._output_open and (piece := _read(self._output)) is not None:
            output = (output + piece)[: self._max_output_bytes + 1]
            if not piece:  # closed by the shell: it would be ready, with nothing, forever
                self._poll.unregister(self._output)
                self._output_open = False
        return output


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _timeout(command: str) -> ActionTimeout:
    return ActionTimeout(f"no answer to {command[:80]!r} in time; the session was killed")


def _read(descriptor: int) -> bytes | None:
    """What is ready; None when nothing is, empty when the other side is closed."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None


def _driver() -> str:
    return _DRIVER.format(
        files=OPEN_FILES,
        cpu_s=CPU_S,
        memory_kib=MEMORY_KIB,
        file_kib=FILE_KIB,
        processes=PROCESSES + _processes_of_caller(),
    )


def _processes_of_caller() -> int:
    """Threads that count against the limit before the shell starts: none under a uid of its own, ours otherwise."""
    if sandbox.can_drop_uid():
        return 0
    total = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                total += len(list((entry / "task").iterdir()))
        except OSError:  # a process that ended while we looked
            continue
    return total
