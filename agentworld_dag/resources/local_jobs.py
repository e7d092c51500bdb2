"""Runs a stage script as a process on this machine, over Dagster Pipes.

The asset code knows only `run`; where the process lives, here or on a cluster,
is this resource's business alone.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.stage import ERROR_FILE, PARENT
from agentworld_dag.tracking import URI

QUIET = {
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "PYTHONWARNINGS": "ignore::FutureWarning",
}
"""Libraries leave the terminal to the stages' own lines; a variable that is set already wins."""

KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
"""glibc would give freed tensors back to the kernel and ask for them again at every training step."""


@dataclass(frozen=True)
class Launch:
    """One stage script with all it is told."""

    module: str
    round_name: str
    out: Path
    inputs: Mapping[str, Path]
    options: Mapping[str, str]
    seed: int
    tracked: bool
    """Whether it logs to MLflow; connecting costs seconds, which the short data stages do without."""

    def command(self, preset: RunPreset) -> list[str]:
        flags = ["--config", str(preset.path), "--round", self.round_name, "--seed", str(self.seed)]
        flags += ["--out", str(self.out)]
        for name, folder in self.inputs.items():
            flags += ["--input", f"{name}={folder}"]
        for name, value in self.options.items():
            flags += ["--option", f"{name}={value}"]
        return [sys.executable, "-m", self.module, *flags]


class LocalJobs(dg.ConfigurableResource):
    """Stage scripts as local processes; they end when the step that started them ends."""

    tracking_uri: str
    """The MLflow store or server that stages log to."""

    def run(self, context: dg.AssetExecutionContext, launch: Launch, preset: RunPreset) -> None:
        """Run the script to its end. Raises dg.Failure with the script's own reason."""
        threads = str(preset.load(launch.round_name).threads)
        with tempfile.TemporaryDirectory() as folder:
            error_file = Path(folder) / "error"
            environment = {name: os.environ.get(name, value) for name, value in (QUIET | KEEP_MEMORY).items()} | {
                URI: self.tracking_uri if launch.tracked else "",
                "OMP_NUM_THREADS": threads,
                "MKL_NUM_THREADS": threads,
                ERROR_FILE: str(error_file),
                PARENT: str(os.getpid()),
            }
            try:
                dg.PipesSubprocessClient().run(context=context, command=launch.command(preset), env=environment)
            except Exception as error:  # Dagster does not export what a failed Pipes process raises
                raise dg.Failure(_reason(error_file, launch, error), allow_retries=False) from error


def _reason(error_file: Path, launch: Launch, error: Exception) -> str:
    if error_file.is_file():
        return error_file.read_text()
    return f"{launch.module}: {error}; its traceback is in the step's stderr. Run again to resume in {launch.out}"
