"""Training on two nodes of a real Slurm, which are one machine here."""

from pathlib import Path

import pytest

from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.script import Launcher, Script
from tests.resources.launching import launched
from tests.resources.real_slurm import slurm_jobs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm_of_two_nodes")]
CPT = "agentworld_dag.training.cpt"


def test_two_nodes_make_the_weights_that_two_processes_of_one_make(tmp_path: Path, base: Path, splits: Path) -> None:
    inputs = {"base_model": base, "trajectory_splits": splits}
    here = trained(LocalJobs(tracking_uri=""), tmp_path / "here", inputs, processes=2)
    there = trained(slurm_jobs(tmp_path), tmp_path / "there", inputs, nodes=2, cpus=1)
    assert there == here
    assert there != (base / "checkpoint" / "model.safetensors").read_bytes()


def trained(jobs: Launcher, folder: Path, inputs: dict[str, Path], **needs: int) -> bytes:
    out = folder / "cpt" / "round-0001" / "0123456789ab"
    folder.mkdir()
    result, _ = launched(jobs, Script(CPT, "round-0001", out, inputs, {}, 3, False), folder, **needs)
    assert result.success
    return (out / "checkpoint" / "model.safetensors").read_bytes()
