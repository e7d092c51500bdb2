"""The whole loop on a small preset, wherever its stages run, and the weights it leaves."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from agentworld_dag.artifacts import is_complete
from tests.preset_file import TRAINABLE, write_preset

SEED = 5
# The small loop's agents solve nothing, and without differences in reward no weight would move. A shell that answers
# too late on a busy machine fails its rollout, and two runs would differ.
PRACTICE = {
    "collection": {**TRAINABLE["collection"], "action_timeout_s": 30.0},
    "agent": {
        "demonstrations": 60,
        "imitation": {"steps": 150, "save_every_steps": 50, "tokens_per_step": 1024},
        "rl": {"steps": 3, "tasks_per_step": 12, "group_size": 8, "passes_per_step": 4, "scarce_real_steps": 120},
    },
}


def turned(folder: Path, jobs: str) -> dict[str, str]:
    """Digests of all weights by the artifact's place in the lake, of a loop whose stages are such jobs."""
    preset = write_preset(folder / "preset.yaml", **{**TRAINABLE, **PRACTICE})
    command = [sys.executable, "-m", "agentworld_dag.cli", "run", "--preset", str(preset), "--seed", str(SEED)]
    home = folder / jobs
    environment = os.environ | {"AGENTWORLD_HOME": str(home), "AGENTWORLD_JOBS": jobs}
    environment["AGENTWORLD_RAY"] = json.dumps({"python": sys.executable})
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    weights = (home / "lake").glob("*/*/*/checkpoint/model.safetensors")
    return {
        str(path.relative_to(home / "lake").parents[1]): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in weights
    }


def stages_of(home: Path) -> set[str]:
    """Names of what a stage has made, as jobs are called; the plan of a round is no stage's."""
    made = {path for path in (home / "lake").glob("*/*/*") if is_complete(path)}
    return {f"{path.parent.parent.name}-{path.name}" for path in made if path.parent.parent.name != "round_plan"}


def assert_same_weights(here: dict[str, str], there: dict[str, str]) -> None:
    """And that each training stage has weights of its own, or the same ones would prove little."""
    assert len(here) == 10
    assert len(set(here.values())) == len(here)
    assert there == here
