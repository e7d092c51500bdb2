"""LoRA in a real stage: what it leaves is an ordinary checkpoint in which the linear layers have moved."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from agentworld_dag.stage import Stage
from agentworld_dag.training import sft, world_model_rl
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.settings import Lora
from tests.disturbed import odd_sums
from tests.small_loop import small_preset

ADAPTED = {"optimizer": "adamw", "learning_rate": 1e-2, "lora": Lora(rank=4, alpha=8)}


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoint" / "model.safetensors")


@pytest.fixture
def tuned(stage, base: Path, splits: Path) -> Stage:
    settings = small_preset().sft.model_copy(update=ADAPTED)
    tuning = stage("out", {"world_model_cpt": base, "trajectory_splits": splits}, sft=settings)
    sft.work(tuning)
    return tuning


def test_adapters_move_linear_layers_and_are_merged_into_them(tuned: Stage, base: Path) -> None:
    before, after = tensors(base), tensors(tuned.out)
    assert set(before) == set(after)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if "_proj" in name}
    model, _ = load_checkpoint(tuned.out / "checkpoint")
    assert not hasattr(model, "peft_config")


def test_a_checkpoint_under_way_holds_the_adapters_alone_and_training_goes_on_from_it(tuned: Stage, base: Path) -> None:
    whole = tensors(tuned.out)
    [kept] = (tuned.out / "trainer").glob("checkpoint-*")
    assert not (kept / "model.safetensors").exists()
    shutil.rmtree(tuned.out / "checkpoint")
    sft.work(tuned)
    after = tensors(tuned.out)
    assert all(torch.equal(whole[name], after[name]) for name in whole)


def test_the_world_model_s_rl_trains_adapters_too(
    stage, base: Path, splits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_model_rl, "reward_function", lambda *_: odd_sums)
    settings = small_preset().world_model_rl.model_copy(update=ADAPTED)
    learning = stage("out", {"world_model_sft": base, "trajectory_splits": splits}, world_model_rl=settings)
    world_model_rl.work(learning)
    before, after = tensors(base), tensors(learning.out)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        name for name in before if "_proj" in name
    }


def test_muon_is_refused() -> None:
    settings = small_preset().sft.model_dump() | {"lora": {"rank": 4, "alpha": 8}}
    with pytest.raises(ValueError, match="with lora, choose adamw"):
        type(small_preset().sft).model_validate(settings)
