"""Runs a command, and ends it with all that it started when asked to or when the parent is gone.

    python agentworld_dag/serving/keeper.py PARENT_PID COMMAND...

A model server has processes of its own, and none may outlive the stage that
started it, however the stage ends: a kill -9 leaves nobody there to clean up.
Where the keeper itself is killed, the kernel asks the command to end.
Ends with the command's exit code, negative signals as 128 and the signal.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

GRACE_S = 15.0
"""From being asked to end to being killed."""
LOOK_EVERY_S = 0.5
PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    parent, command = int(arguments[0]), arguments[1:]
    asked = threading.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: asked.set())
    libc = ctypes.CDLL(None)  # loaded before the fork, after which little may be done
    ask_for_end = lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # noqa: E731
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=ask_for_end)
    try:
        while server.poll() is None and os.getppid() == parent and not asked.wait(LOOK_EVERY_S):
            pass
    finally:
        end_group(server)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def end_group(server: "subprocess.Popen[bytes]") -> None:
    """The command first, that it may end its own; then whoever of its session is left."""
    if server.poll() is None:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_S)
    deadline = time.monotonic() + 1.0  # its children see its end and go, as a rule
    while _group_lives(server.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _group_lives(group: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
