import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agentworld_dag.training import sft
from agentworld_dag.training.checkpoints import (
    COMPLETE,
    flaw,
    last_whole_checkpoint,
    load_checkpoint,
    save_checkpoint,
    seal,
)
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
