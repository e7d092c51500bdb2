"""A code server and a daemon as processes of their own over an instance with the project's settings."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from agentworld_dag.home import PRESETS
from tests.jobs import gated

QUICK: dict[str, dict[str, Any]] = {
    "run_monitoring": {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 1},
    "run_launcher": {"config": {"lost_after_s": 4}},
    "run_queue": {"dequeue_interval_seconds": 1},
}
"""The settings of the project, with less patience."""
COMMANDS = {
    "code server": ["dagster", "api", "grpc", "--python-file", gated.__file__, "--socket", "code.sock"],
    "daemon": ["dagster._daemon", "run", "--workspace", "workspace.yaml"],
}
SEEN_WITHIN_S = 60


def heed_interrupts() -> None:
    """Tests that a shell runs in the background have inherited that interrupts are ignored; a part would, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Deployment:
    """Its parts by name; a run is asked for with a file, and let on with another."""

    folder: Path
    instance: dg.DagsterInstance
    parts: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def start(self, part: str) -> None:
        environment = os.environ | {"DAGSTER_HOME": str(self.folder), gated.FOLDER: str(self.folder)}
        environment |= {"PYTHONPATH": str(PRESETS.parents[1])}
        with (self.folder / f"{part}.out").open("ab") as out:
            command = [sys.executable, "-m", *COMMANDS[part]]
            self.parts[part] = subprocess.Popen(
                command,
                env=environment,
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=heed_interrupts,
            )

    def kill(self, part: str) -> None:
        self.parts[part].kill()
        self.parts[part].wait()

    def ask_for(self, name: str, **tags: str) -> None:
        file = self.folder / "asked" / name
        file.parent.mkdir(exist_ok=True)
        file.with_suffix(".part").write_text(yaml.safe_dump(tags))
        file.with_suffix(".part").replace(file)

    def let_on(self, name: str) -> None:
        (self.folder / f"{name}.open").touch()

    def cancel(self, run_id: str) -> None:
        """What "Terminate" in the UI does."""
        with chdir(self.folder):  # where the code server's socket is
            assert self.instance.run_coordinator.cancel_run(run_id)

    def runs(self, name: str) -> list[dg.DagsterRun]:
        """Oldest first."""
        return list(reversed(self.instance.get_runs(dg.RunsFilter(tags={gated.ASKED: name}))))

    def statuses(self, name: str) -> list[str]:
        return [run.status.value for run in self.runs(name)]

    def slots_taken(self) -> int:
        return self.instance.event_log_storage.get_concurrency_info("gpu").active_slot_count

    def processes(self) -> list[str]:
        """Command lines of everything that runs on behalf of it, but for its parts."""
        mark = f"{gated.FOLDER}={self.folder}".encode()
        parts = {part.pid for part in self.parts.values()}
        return [line for pid, line in marked(mark) if pid not in parts]

    def steps(self, name: str) -> list[str]:
        return [line.split()[0] for line in self._lines(name)]

    def pids(self, name: str) -> list[int]:
        return [int(line.split()[1]) for line in self._lines(name)]

    def waits_until(self, what: str, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SEEN_WITHIN_S
        while not happened():
            assert time.monotonic() < deadline, f"not seen within {SEEN_WITHIN_S} s: {what}\n{self._told()}"
            time.sleep(0.1)

    def _lines(self, name: str) -> list[str]:
        log = self.folder / f"{name}.log"
        return log.read_text().splitlines() if log.exists() else []

    def _told(self) -> str:
        return "\n".join((self.folder / f"{part}.out").read_text()[-2000:] for part in self.parts)


def marked(mark: bytes) -> Iterator[tuple[int, str]]:
    """Processes with the variable in their environment."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has ended meanwhile


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    settings = yaml.safe_load((PRESETS.parent / "dagster.yaml").read_text())
    for section, changes in QUICK.items():
        settings[section] |= changes
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    server = {"socket": "code.sock", "location_name": "gated"}
    (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        deployment = Deployment(folder, instance)
        try:
            deployment.start("code server")
            deployment.waits_until("the code server's socket", (folder / "code.sock").exists)
            deployment.start("daemon")
            yield deployment
        finally:
            for part in deployment.parts:
                deployment.kill(part)
