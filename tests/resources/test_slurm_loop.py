"""Every stage of the loop as a job of a real Slurm."""

from pathlib import Path

import pytest

from tests.whole_loop import assert_same_weights, stages_of, turned

pytestmark = pytest.mark.nightly


@pytest.mark.timeout(2400)
@pytest.mark.usefixtures("slurm")
def test_all_training_stages_make_the_same_weights_here_and_on_slurm(tmp_path: Path) -> None:
    assert_same_weights(turned(tmp_path, "local"), turned(tmp_path, "slurm"))
    jobs = {folder.name for folder in (tmp_path / "slurm" / "slurm").iterdir() if folder.is_dir()}
    assert jobs == stages_of(tmp_path / "slurm")
