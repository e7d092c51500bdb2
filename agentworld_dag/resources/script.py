"""A stage script with all it is told, and the one thing every launcher does with it.

The asset code knows only `Launcher.launch`; where the process lives, on this
machine or on a cluster, is the launcher's business alone.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import dagster as dg

from agentworld_dag.compute import Needs, is_training
from agentworld_dag.home import REMOTE_LAKE, ROOT, home
from agentworld_dag.resources.preset import RunPreset
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

SHARE_CORES = {"GOMP_SPINCOUNT": "3000"}
"""A thread of torch that waits for another spins, by its library's own setting for so long that a stage on two threads
loses most of its speed when others want its cores (benchmarks/shared_cores.py)."""


@dataclass(frozen=True)
class Script:
    """One stage to run."""

    module: str
    round_name: str
    out: Path
    inputs: Mapping[str, Path]
    options: Mapping[str, str]
    seed: int
    tracked: bool
    """Whether it logs to MLflow; connecting costs seconds, which the short data stages do without."""

    @property
    def name(self) -> str:
        """The same for every attempt to make the artifact, and of no other: asset and fingerprint."""
        return f"{self.out.parent.parent.name}-{self.out.name}"

    def command(self, preset: RunPreset, python: str = sys.executable) -> list[str]:
        """`python`: the interpreter where the script will run."""
        flags = ["--config", str(preset.path), "--round", self.round_name, "--seed", str(self.seed)]
        flags += ["--out", str(self.out)]
        for name, folder in self.inputs.items():
            flags += ["--input", f"{name}={folder}"]
        for name, value in self.options.items():
            flags += ["--option", f"{name}={value}"]
        needs = self.needs(preset)
        if needs.ranks == 1 or not is_training(self.module):
            return [python, "-m", self.module, *flags]
        spread = [f"--processes={needs.processes}", f"--nodes={needs.nodes}", f"--sharding={needs.sharding}"]
        return [python, "-m", "agentworld_dag.launch", *spread, f"--grace-s={needs.grace_s}", self.module, *flags]

    def environment(self, preset: RunPreset, tracking_uri: str) -> dict[str, str]:
        """Variables the process needs, wherever it runs; keys of the lake's remote must be there already."""
        threads, here = str(preset.load(self.round_name).threads), home()
        return {name: os.environ.get(name, value) for name, value in (QUIET | KEEP_MEMORY | SHARE_CORES).items()} | {
            URI: tracking_uri if self.tracked else "",
            ROOT: str(here.root),
            REMOTE_LAKE: here.remote_lake,
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
        }

    def needs(self, preset: RunPreset) -> Needs:
        return preset.load(self.round_name).compute.needs(self.module)


class Launcher(Protocol):
    """Runs stage scripts, each in a process of its own, over Dagster Pipes."""

    def launch(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset) -> None:
        """Run the script to its end. Raises dg.Failure with the script's own reason, or the engine's."""
        ...


Jobs = dg.ResourceParam[Launcher]
"""The launcher of this code location, as assets ask for it."""
