"""What a stage asks of Slurm: options of sbatch, and the script that becomes the job.

The environment goes through a file that only the user can read and that the job
deletes when it starts. It is neither on a command line nor exported by sbatch:
`scontrol show job` shows the one to everybody, and accounting may keep the other.
"""

import fnmatch
import math
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentworld_dag.compute import Needs
from agentworld_dag.errors import ConfigError
from agentworld_dag.resources.job_folder import OUTPUT

EARLY_S = 60
"""Slurm may send the signal before the time limit up to a minute early, and rounds limits up to whole minutes."""
MINUTE_S = 60
WITHHELD = frozenset({"AGENTWORLD_DATABASE", "AGENTWORLD_KUBERNETES", "AGENTWORLD_RAY", "MLFLOW_BACKEND_STORE_URI"})
"""Of the machine with Dagster alone: they have passwords and keys in them that no stage needs."""


@dataclass(frozen=True)
class Request:
    """A job to be."""

    name: str
    options: Sequence[str]
    """Of sbatch."""
    command: Sequence[str]
    nodes: int
    environment: Mapping[str, str]


def sbatch_options(name: str, folder: Path, needs: Needs, image_option: str | None) -> list[str]:
    """Raises ConfigError when an image is asked for and this Slurm is not known to run such."""
    options = [
        f"--job-name={name}",
        f"--chdir={folder}",
        f"--output={folder / OUTPUT}",
        "--open-mode=append",
        "--export=NIL",
        "--no-requeue",  # what was pre-empted goes on as a job of its own, where it is counted
        "--dependency=singleton",  # a submission that came through unnoticed waits, and then finds nothing to do
        f"--nodes={needs.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={needs.cpus}",
        f"--mem={math.ceil(needs.memory_gib * 1024)}M",
        f"--time={math.ceil((needs.time_limit_s + EARLY_S + needs.grace_s) / MINUTE_S)}",
        f"--signal={'B:' if needs.nodes == 1 else ''}TERM@{needs.grace_s}",
    ]
    if needs.gpus:
        options.append(f"--gres=gpu:{needs.gpus}")
    if needs.queue:
        options.append(f"--partition={needs.queue}")
    if needs.image:
        options.append(f"{_checked(image_option, needs.image)}={needs.image}")
    return options


def job_script(command: Sequence[str], nodes: int, environment: str) -> str:
    """The stage takes the shell's place, so that Slurm's signals and its exit code are the stage's own.

    On several nodes it is started once on each, with the variables that torch's rendezvous reads. `environment`: name
    of the file with its variables, in the folder that the job starts in.
    """
    lines = ["#!/bin/bash", "set -a", f". ./{environment} && rm ./{environment} || exit 1", "set +a"]
    if nodes == 1:
        return "\n".join([*lines, f"exec {shlex.join(command)}", ""])
    lines += [
        'first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        'MASTER_ADDR=$(scontrol show node "$first" | sed -n "s/.*NodeAddr=\\([^ ]*\\).*/\\1/p")',
        "MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))",
        "export MASTER_ADDR MASTER_PORT",
        'export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"',  # srun takes one core otherwise, whatever the job has
        "trap : TERM",  # the tasks get it too, and this shell has to wait for their checkpoint
        f"srun --export=ALL --kill-on-bad-exit=1 {shlex.join(command)}",
    ]
    return "\n".join([*lines, ""])


def passed_variables(patterns: Iterable[str]) -> Mapping[str, str]:
    """Of this process's environment, what the job gets too."""
    wanted = tuple(patterns)
    passed = (name for name in os.environ if any(fnmatch.fnmatch(name, each) for each in wanted))
    return {name: os.environ[name] for name in passed if name not in WITHHELD}


def _checked(image_option: str | None, image: str) -> str:
    if image_option:
        return image_option
    raise ConfigError(
        f"the preset asks for the image {image}, and nothing says how this Slurm runs containers: set "
        "AGENTWORLD_SLURM_IMAGE_OPTION to --container-image (pyxis) or --container (OCI bundles), "
        "or compute.*.image to null"
    )
