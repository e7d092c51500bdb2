"""Every stage of the loop as a job of a real Slurm."""

from pathlib import Path

import pytest

from agentworld_dag.artifacts import is_complete
from tests.whole_loop import assert_same_weights, turned

pytestmark = pytest.mark.nightly


@pytest.mark.timeout(2400)
@pytest.mark.usefixtures("slurm")
def test_all_training_stages_make_the_same_weights_here_and_on_slurm(tmp_path: Path) -> None:
    assert_same_weights(turned(tmp_path, "local"), turned(tmp_path, "slurm"))
    made = {path for path in (tmp_path / "slurm" / "lake").glob("*/*/*") if is_complete(path)}
    jobs = {folder.name for folder in (tmp_path / "slurm" / "slurm").iterdir()}
    assert jobs == {f"{path.parent.parent.name}-{path.name}" for path in made}
