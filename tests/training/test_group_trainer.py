from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import set_seed
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import RepeatSampler

from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.group_trainer import EpochSampler, GroupTrainer

SPREAD, AGREED = "ls", "pwd"


def rewards(completions: list, action: list[str], **_) -> list[float | None]:
    """Groups of one action differ by the text's length, all others agree."""
    return [len(str(c)) * 1.0 if a == SPREAD else 3.0 for c, a in zip(completions, action, strict=True)]


def one_step(trainer_class: type[GRPOTrainer], base: Path, out: Path, loss_type: str, actions: list[str]):
    """(weights after one step of plain gradient descent, rows that went through the model with a gradient)."""
    model, tokenizer = load_checkpoint(base / "checkpoint")
    set_seed(0)
    rows = [{"prompt": [{"role": "user", "content": action}], "action": action} for action in actions]
    trainer = trainer_class(
        model=model,
        reward_funcs=rewards,
        args=GRPOConfig(
            output_dir=str(out),
            max_steps=1,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            num_generations=4,
            max_completion_length=8,
            loss_type=loss_type,
            beta=0.0,
            lr_scheduler_type="constant",
            use_cpu=True,
            bf16=False,
            report_to="none",
            save_strategy="no",
            seed=0,
            max_grad_norm=0.0,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        optimizers=(torch.optim.SGD(model.parameters(), lr=1.0), None),
    )
    passed: list[int] = []
    model.base_model.register_forward_hook(
        lambda module, args, out: passed.append(len(out.last_hidden_state)) if torch.is_grad_enabled() else None
    )
    trainer.train()
    return torch.cat([p.detach().flatten() for p in model.parameters()]), sum(passed)


@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
def test_the_step_is_that_of_trl_for_fewer_rows(base: Path, tmp_path: Path, loss_type: str) -> None:
    actions = [SPREAD, AGREED, AGREED, AGREED]
    expected, all_rows = one_step(GRPOTrainer, base, tmp_path, loss_type, actions)
    found, some_rows = one_step(GroupTrainer, base, tmp_path, loss_type, actions)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert all_rows == 16
    assert 0 < some_rows <= 5


def test_a_step_in_which_all_agree_changes_nothing(base: Path, tmp_path: Path) -> None:
    start = torch.cat([p.detach().flatten() for p in load_checkpoint(base / "checkpoint")[0].parameters()])
    found, _ = one_step(GroupTrainer, base, tmp_path, "grpo", [AGREED] * 4)
    assert torch.equal(found, start)


def test_a_step_with_spread_changes_the_weights(base: Path, tmp_path: Path) -> None:
    start = torch.cat([p.detach().flatten() for p in load_checkpoint(base / "checkpoint")[0].parameters()])
    found, _ = one_step(GroupTrainer, base, tmp_path, "dapo", [SPREAD] * 4)
    assert not torch.equal(found, start)


def order_of_trl() -> RepeatSampler:
    return RepeatSampler(range(12), mini_repeat_count=2, batch_size=3, repeat_count=2, seed=1)


def test_prompts_come_in_the_order_of_trl_in_whatever_epoch_training_begins() -> None:
    one_after_another = order_of_trl()
    expected = [list(one_after_another) for _ in range(3)]
    assert expected[2] != expected[0]
    for first in range(3):
        sampler = EpochSampler(order_of_trl())
        for epoch in range(first, 3):
            sampler.set_epoch(epoch)
            assert list(sampler) == expected[epoch]
