"""Checkpoints a killed stage can trust, and the final one it leaves behind.

The Trainer writes a checkpoint file by file; a kill in between leaves a
folder that looks whole. A marker written last tells the complete ones.
"""

import shutil
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from agentworld_dag.errors import TrainError

COMPLETE = "COMPLETE"


class MarkComplete(TrainerCallback):
    """Puts the marker into a checkpoint after everything else in it is written."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        (Path(args.output_dir or ".") / f"checkpoint-{state.global_step}" / COMPLETE).touch()


def last_complete_checkpoint(folder: Path) -> Path | None:
    """The latest marked checkpoint in `folder`; unmarked ones are removed so that nobody resumes from them."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for path in found:
        if not (path / COMPLETE).exists():
            shutil.rmtree(path)
    complete = [path for path in found if (path / COMPLETE).exists()]
    return complete[-1] if complete else None


def load_checkpoint(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of `folder`, in float32 with the key-value cache on. Raises TrainError if it is not one."""
    _check(folder)
    # Eager attention: on a CPU at these sizes the fused kernel is slower, forward and backward.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention)
    model.config.use_cache = model.generation_config.use_cache = True
    return model, AutoTokenizer.from_pretrained(folder)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint. Raises TrainError if `folder` is not one."""
    _check(folder)
    return AutoTokenizer.from_pretrained(folder)


def _check(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise TrainError(f"{folder} holds no checkpoint (no config.json); run the stage that makes it first")


def save_checkpoint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """The stage's final weights, loadable with `AutoModelForCausalLM.from_pretrained`."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
