"""Checkpoints that a preset names: a folder, and an id of the hub, whose cache stands in for it here."""

import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from agentworld_dag.errors import TrainError
from agentworld_dag.training import base_model
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.hub import checkpoint_folder
from tests.disturbed import weights
from tests.small_loop import small_preset

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub out of reach, and its cache with one model."""
    cached = tmp_path / "cache" / "models--lab--small"
    shutil.copytree(base / "checkpoint", cached / "snapshots" / COMMIT)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return cached / "snapshots" / COMMIT


def test_a_folder_is_taken_as_it_is(base: Path) -> None:
    assert checkpoint_folder(str(base / "checkpoint")) == base / "checkpoint"


def test_a_model_of_the_hub_starts_the_loop(hub: Path, stage, splits: Path, base: Path) -> None:
    named = small_preset().model.model_copy(update={"checkpoint": "lab/small"})
    running = stage("out", {"trajectory_splits": splits}, model=named)
    base_model.work(running)
    assert weights(running.out) == weights(base)
    assert len(load_checkpoint(running.out / "checkpoint")[1]) == len(load_checkpoint(base / "checkpoint")[1])


def test_a_revision_is_told_apart(hub: Path) -> None:
    assert checkpoint_folder(f"lab/small@{COMMIT}") == hub
    with pytest.raises(TrainError, match="lab/small@v2 does not come from the hub, name a folder instead: "):
        checkpoint_folder("lab/small@v2")


@pytest.mark.parametrize("named", ["/models/gone", "models", "https://hub/lab/small"])
def test_what_is_neither_is_refused_in_one_line(named: str) -> None:
    with pytest.raises(TrainError, match=r"is no folder here and no id of the hub such as Qwen/Qwen3-0.6B-Base$"):
        checkpoint_folder(named)
