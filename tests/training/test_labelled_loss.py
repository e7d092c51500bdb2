import shutil
from pathlib import Path

import torch
from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.labelled_loss import IGNORED, LabelledPositionsTrainer

ROWS = [
    {"input_ids": [5, 6, 7, 8, 9], "labels": [IGNORED, IGNORED, 7, 8, 9]},
    {"input_ids": [10, 11, 12], "labels": [IGNORED, 11, IGNORED]},
    {"input_ids": [13, 14, 15, 16], "labels": [IGNORED] * 4},
    {"input_ids": [17, 18], "labels": [IGNORED, 18]},
]


def one_step(trainer_class: type[SFTTrainer], base: Path, out: Path, passes: int) -> tuple[float, torch.Tensor]:
    """Loss and the gradient, as one step of plain SGD shows it."""
    model, tokenizer = load_checkpoint(base / "checkpoint")
    before = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()
    arguments = SFTConfig(
        output_dir=str(out),
        max_steps=1,
        per_device_train_batch_size=len(ROWS) // passes,
        gradient_accumulation_steps=passes,
        max_grad_norm=0.0,
        activation_checkpointing=False,
        learning_rate=1.0,
        lr_scheduler_type="constant",
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        report_to="none",
    )
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    rows = Dataset.from_list(ROWS)
    trainer = trainer_class(
        model=model, args=arguments, train_dataset=rows, processing_class=tokenizer, optimizers=(sgd, None)
    )
    loss = trainer.train().training_loss
    shutil.rmtree(out, ignore_errors=True)
    return loss, torch.nn.utils.parameters_to_vector(model.parameters()).detach() - before


def test_loss_and_gradient_are_those_of_trl(base: Path, tmp_path: Path) -> None:
    for passes in (1, 2, 4):  # with four, one pass has no label at all
        loss, gradient = one_step(SFTTrainer, base, tmp_path / "whole", passes)
        labelled_loss, labelled_gradient = one_step(LabelledPositionsTrainer, base, tmp_path / "labelled", passes)
        assert abs(loss - labelled_loss) < 1e-5
        assert gradient.abs().max() > 1e-4
        torch.testing.assert_close(labelled_gradient, gradient, rtol=1e-4, atol=1e-6)
