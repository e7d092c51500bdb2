"""Which launcher this code location has: `AGENTWORLD_JOBS` names it."""

import os
import shlex
import sys

from agentworld_dag.errors import ConfigError
from agentworld_dag.home import Home
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.script import Launcher
from agentworld_dag.resources.slurm_jobs import SlurmJobs

PASSED = (
    *("AGENTWORLD_*", "AWS_*", "HF_*", "MLFLOW_*", "NCCL_*"),
    *("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "USER"),
)
"""Variables that a stage on another machine gets too: settings, credentials, where programs are."""


def launcher_from_environment(home: Home) -> Launcher:
    """Raises ConfigError on a name that is none."""
    named = {
        "local": local,
        "slurm": slurm,
    }
    name = os.environ.get("AGENTWORLD_JOBS") or "local"
    if name not in named:
        raise ConfigError(f"AGENTWORLD_JOBS={name}: expected one of {', '.join(named)}")
    return named[name](home)


def local(home: Home) -> LocalJobs:
    return LocalJobs(tracking_uri=home.mlflow_uri)


def slurm(home: Home) -> SlurmJobs:
    return SlurmJobs(
        tracking_uri=home.mlflow_uri,
        folder=str(home.slurm),
        python=os.environ.get("AGENTWORLD_SLURM_PYTHON") or sys.executable,
        options=shlex.split(os.environ.get("AGENTWORLD_SLURM_OPTIONS", "")),
        passed=[*PASSED, *shlex.split(os.environ.get("AGENTWORLD_SLURM_PASSED", ""))],
        image_option=os.environ.get("AGENTWORLD_SLURM_IMAGE_OPTION") or None,
    )
