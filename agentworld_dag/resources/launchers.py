"""Which launcher this code location has: `AGENTWORLD_JOBS` names it."""

import json
import os
import shlex
import sys
from typing import Any, TypeVar

from pydantic import ValidationError

from agentworld_dag.errors import ConfigError
from agentworld_dag.home import Home
from agentworld_dag.resources.kubernetes_jobs import KubernetesJobs
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.ray_jobs import RayJobs
from agentworld_dag.resources.script import Launcher
from agentworld_dag.resources.slurm_jobs import SlurmJobs

Jobs = TypeVar("Jobs", RayJobs, KubernetesJobs)
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
        "ray": ray,
        "kubernetes": kubernetes,
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


def ray(home: Home) -> RayJobs:
    return _with_options(RayJobs, home, "AGENTWORLD_RAY")


def kubernetes(home: Home) -> KubernetesJobs:
    return _with_options(KubernetesJobs, home, "AGENTWORLD_KUBERNETES")


def _with_options(launcher: type[Jobs], home: Home, variable: str) -> Jobs:
    """A launcher whose fields, but for the tracking URI, are a JSON object in the environment."""
    given = os.environ.get(variable) or "{}"
    try:
        return launcher(tracking_uri=home.mlflow_uri, **_fields(given, set(launcher.model_fields)))
    except ValueError as error:
        known = ", ".join(sorted(set(launcher.model_fields) - {"tracking_uri"}))
        told = f"{variable}: expected a JSON object with fields of {known} ({_why(error)})"
        raise ConfigError(told) from None  # the cause has the values, and keys may be among them


def _why(error: ValueError) -> str:
    """Without what was given."""
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
    return str(error)


def _fields(given: str, known: set[str]) -> dict[str, Any]:
    fields = json.loads(given)
    if not isinstance(fields, dict):
        raise ValueError("no object")
    if unknown := set(fields) - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return fields
