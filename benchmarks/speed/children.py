"""Processes of a benchmark's own: stage scripts and timed runs, with nothing of the user's set-up in them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from agentworld_dag.errors import RunError
from agentworld_dag.home import REMOTE_LAKE
from agentworld_dag.tracking import URI
from benchmarks.speed.machine import ROOT


def run_module(module: str, flags: Sequence[object], log: Path) -> None:
    """`python -m module flags` to its end; what it says goes to `log`. Raises RunError with its last line."""
    command = [sys.executable, "-m", module, *map(str, flags)]
    with log.open("w") as output:
        ended = subprocess.run(command, cwd=ROOT, env=_environment(log.parent), stdout=output, stderr=subprocess.STDOUT)
    if ended.returncode:
        lines = log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "(it said nothing)")
        raise RunError(f"{log.stem} ({module}) ended with code {ended.returncode}: {last}")


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in (URI, REMOTE_LAKE)}
    return {
        "CUDA_VISIBLE_DEVICES": "0",  # with several GPUs the Trainer would spread over them
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "datasets"),
    }
