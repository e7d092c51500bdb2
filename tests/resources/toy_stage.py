"""A stage script that does as it is told: what launchers are tried on.

`ways` is a comma-separated list, of which each attempt takes the next.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from agentworld_dag.errors import TrainError
from agentworld_dag.exit_codes import RESUME_ME
from agentworld_dag.stage import Stage, run_stage


def work(stage: Stage) -> dict[str, Any]:
    attempts = stage.out / "attempts"
    with attempts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    attempt = len(attempts.read_text().splitlines())
    ways = stage.options["ways"].split(",")
    stage.log(f"attempt {attempt}")
    behave(ways[min(attempt, len(ways)) - 1], stage.out / "go")
    return {"attempts": attempt}


def behave(way: str, go: Path) -> None:
    if way == "refuse":
        raise TrainError("found 3 actions, expected 4, drop one")
    if way == "crash":
        raise ZeroDivisionError("a bug")
    if way == "no memory":
        raise MemoryError("could not get 9 GiB")
    if way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "stopped":
        sys.exit(RESUME_ME)
    if way == "sleep":
        time.sleep(120)
    if way == "hoard":
        _ = b"x" * (2 << 30)
    if way.startswith("until "):
        while not Path(way.removeprefix("until ")).exists():
            time.sleep(0.05)
    while way == "wait" and not go.exists():
        time.sleep(0.1)


if __name__ == "__main__":
    run_stage(work)
