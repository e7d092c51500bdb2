"""The folder through which a step and its job on another machine talk, on a file system that both mount.

    context    what Pipes tells the job       output    what the job's process prints
    messages   what the job tells Pipes       job.sh, environment-*    how it is started

Files are opened anew at each look, which is when network file systems show what
others have written. Nothing but whole lines is read. Dagster's own readers for
files empty them first and delete them last: a step that comes back to a job
which another step started would lose what was said before.
"""

import fcntl
import json
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster_pipes import PipesContextData, PipesDefaultContextLoader, PipesDefaultMessageWriter, PipesParams

from agentworld_dag.artifacts import write_json

ENVIRONMENT = "environment"
OUTPUT = "output"


class GrowingFile:
    """A file that others append to. State: how far it was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0

    def lines(self) -> list[str]:
        """The whole lines since the last time; none where there is no file yet."""
        if not self._path.is_file():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        return whole.decode(errors="replace").split("\n") if newline else []


class FileContext(dg.PipesContextInjector):
    """Written whole, and left there: the job may start long after the step that asked for it has died."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Iterator[PipesParams]:
        write_json(self._path, context_data)
        yield {PipesDefaultContextLoader.FILE_PATH_KEY: str(self._path)}

    def no_messages_debug_text(self) -> str:
        return f"The context is in {self._path}."


class FileMessages(dg.PipesMessageReader):
    """Read from the first message on, whenever it is told to catch up. State: whom it hands them to, and how far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = GrowingFile(path)
        self._handler: dg.PipesMessageHandler | None = None

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[PipesParams]:
        self._handler = handler
        yield {PipesDefaultMessageWriter.FILE_PATH_KEY: str(self._path)}

    def catch_up(self) -> None:
        assert self._handler, "catch_up is for an open Pipes session"
        for line in self._file.lines():
            self._handler.handle_message(json.loads(line))

    def no_messages_debug_text(self) -> str:
        return f"Messages were looked for in {self._path}; what the job printed is in {self._path.with_name(OUTPUT)}."


class JobFolder:
    """One job's folder, which only this user can read. State: what of it was passed on to the step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.context = FileContext(path / "context")
        self.messages = FileMessages(path / "messages")
        self.output = path / OUTPUT
        self._printed = GrowingFile(self.output)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among the steps that look for the job or start it; waits for the others."""
        with (self.path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def begin_anew(self, environment: Mapping[str, str]) -> Path:
        """Empty files for another job, and its environment in a file of its own, which the job deletes."""
        (self.path / "messages").write_text("")
        self.output.write_text("")
        path = self.path / f"{ENVIRONMENT}-{secrets.token_hex(4)}"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items()))
        return path

    def write_script(self, script: str) -> Path:
        path = self.path / "job.sh"
        path.write_text(script)
        return path

    def environments(self) -> list[Path]:
        """Of jobs that have not started."""
        return list(self.path.glob(f"{ENVIRONMENT}-*"))

    def forget_environment(self) -> None:
        """Of jobs that will not start any more."""
        for path in self.environments():
            path.unlink(missing_ok=True)

    def pass_on(self) -> None:
        """What the job has said and printed since the last time, into the step's log and its stderr."""
        self.messages.catch_up()
        for line in self._printed.lines():
            sys.stderr.write(f"{line}\n")
