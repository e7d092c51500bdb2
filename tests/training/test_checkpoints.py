import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentworld_dag.exit_codes import FAILED, FINISHED, RESUME_ME
from agentworld_dag.training import sft
from agentworld_dag.training.checkpoints import (
    COMPLETE,
    flaw,
    last_whole_checkpoint,
    load_checkpoint,
    save_checkpoint,
    seal,
    step_of,
)
from tests.disturbed import CPT, disturb, log_of, make_trainings, wait_for_steps, weights
from tests.small_loop import small_preset

WEIGHTS, OPTIMIZER, RANDOM = "model.safetensors", "optimizer.pt", "rng_state.pth"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)


DAMAGE = [
    (truncate, OPTIMIZER, "optimizer.pt has changed"),
    (flip_a_bit, WEIGHTS, "model.safetensors has changed"),
    (flip_a_bit, RANDOM, "rng_state.pth has changed"),
    (Path.unlink, RANDOM, "rng_state.pth is missing"),
    (Path.unlink, COMPLETE, "it was not finished"),
    (truncate, COMPLETE, "COMPLETE cannot be read"),
]


@pytest.mark.parametrize(("damage", "name", "told"), DAMAGE)
def test_what_differs_from_its_seal_is_not_whole(
    tmp_path: Path, damage: Callable[[Path], None], name: str, told: str
) -> None:
    for file in (WEIGHTS, OPTIMIZER, RANDOM, "global_step/shard"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"0123456789")
    seal(tmp_path)
    assert flaw(tmp_path) is None
    damage(tmp_path / name)
    assert (flaw(tmp_path) or "").startswith(told)


def test_a_shard_in_a_folder_of_its_own_is_sealed_too(tmp_path: Path) -> None:
    (tmp_path / "global_step").mkdir()
    (tmp_path / "global_step" / "shard").write_bytes(b"0123456789")
    seal(tmp_path)
    truncate(tmp_path / "global_step" / "shard")
    assert (flaw(tmp_path) or "").startswith("global_step/shard has changed, found {'bytes': 9")


def test_the_latest_whole_checkpoint_is_found_and_later_ones_make_room(tmp_path: Path) -> None:
    for step in (8, 9, 10, 11):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / WEIGHTS).write_bytes(b"0123456789")
        seal(folder)
    for step in (8, 10, 11):
        truncate(tmp_path / f"checkpoint-{step}" / WEIGHTS)
    told: list[str] = []
    assert last_whole_checkpoint(tmp_path, told.append) == tmp_path / "checkpoint-9"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-8", "checkpoint-9"}, "older ones are not read"
    assert [line.split(" has")[0] for line in told] == [
        f"removed {tmp_path}/checkpoint-{step}: {WEIGHTS}" for step in (11, 10)
    ]
    assert last_whole_checkpoint(tmp_path / "none", told.append) is None


@pytest.mark.parametrize(("damage", "name", "told"), [DAMAGE[0], DAMAGE[1], DAMAGE[3]])
def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(
    stage,
    base: Path,
    splits: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    name: str,
    told: str,
) -> None:
    every_step = small_preset().sft.model_copy(update={"save_every_steps": 1})
    running = stage("out", {"world_model_cpt": base, "trajectory_splits": splits}, sft=every_step)
    sft.work(running)
    whole = (running.out / "checkpoint" / WEIGHTS).read_bytes()
    shutil.rmtree(running.out / "checkpoint")
    damage(running.out / "trainer" / "checkpoint-3" / name)
    with caplog.at_level("INFO"):
        sft.work(running)
    assert (running.out / "checkpoint" / WEIGHTS).read_bytes() == whole
    assert f"checkpoint-3: {told}" in caplog.text
    assert "resumed from step 2 of 4" in caplog.text


def test_the_loss_of_a_resumed_training_is_that_of_all_its_steps(stage, base: Path, splits: Path) -> None:
    running = stage("out", {"world_model_cpt": base, "trajectory_splits": splits})
    whole = sft.work(running)
    shutil.rmtree(running.out / "checkpoint")
    assert sft.work(running)["loss"] == pytest.approx(whole["loss"])


def test_final_weights_replace_what_an_earlier_attempt_left_as_a_whole(base: Path, tmp_path: Path) -> None:
    model, tokenizer = load_checkpoint(base / "checkpoint")
    left = tmp_path / "checkpoint"
    for half_written in (left, tmp_path / ".checkpoint.aside"):
        half_written.mkdir()
        (half_written / "of_another_attempt").touch()
    save_checkpoint(model, tokenizer, left)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    assert not (left / "of_another_attempt").exists()
    assert (left / WEIGHTS).read_bytes() == (base / "checkpoint" / WEIGHTS).read_bytes()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, where this machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_checkpoint_that_fills_the_disk_is_named_and_the_one_before_is_used(tmp_path: Path, disk: Path) -> None:
    training, whole = make_trainings(tmp_path)[CPT], tmp_path / "whole"
    assert training.run(whole) == FINISHED, log_of(whole).read_text()
    process = training.begin(disk)
    wait_for_steps(process, disk, 3)
    assert disturb(process, signal.SIGTERM) == RESUME_ME, log_of(disk).read_text()
    [kept] = sorted((disk / "trainer").glob("checkpoint-*"), key=step_of)[-1:]
    resize(disk, shutil.disk_usage(disk).used + sum(file.stat().st_size for file in kept.iterdir()) // 2)
    assert training.run(disk) == FAILED
    assert log_of(disk).read_text().splitlines()[-1] == (
        f"StoreError: no space left on the disk that holds {disk}; free some and run again, finished stages are kept"
    )
    assert "Traceback" not in log_of(disk).read_text()
    resize(disk, 1 << 30)
    assert training.run(disk) == FINISHED, log_of(disk).read_text()
    assert log_of(disk).read_text().count(f"resumed from step {step_of(kept)} of 40") == 2
    assert weights(disk) == weights(whole)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
