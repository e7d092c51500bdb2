"""One next-token stage on ready token ids: what CPT, SFT and imitation share.

Samples arrive tokenised and labelled (-100 outside the loss), so masks come
from the schema and the chat template, never from text. No warm-up, linear
decay, no weight decay, no dropout; the loss is the mean over labelled tokens.
A curriculum keeps its order, and its first part the full learning rate.
"""

import random
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from agentworld_dag.errors import TrainError
from agentworld_dag.stage import Stage
from agentworld_dag.training.checkpoints import save_checkpoint
from agentworld_dag.training.labelled_head import IGNORED, score_labels_only
from agentworld_dag.training.loop import mean_loss, train_to_end
from agentworld_dag.training.optimizer import build_optimizer
from agentworld_dag.training.settings import Supervised

WINDOW_BATCHES = 40
"""Samples move at most this many batches from their place in a curriculum."""
LONG_SHARE = 1.6
"""A sample this many times the mean length is long."""


@dataclass(frozen=True)
class Sample:
    """Token ids and, position by position, the id to predict or -100."""

    input_ids: list[int]
    labels: list[int]


def prompt_and_target(prompt: list[int], target: list[int]) -> Sample:
    """A sample whose loss covers the target only."""
    return Sample(prompt + target, [IGNORED] * len(prompt) + target)


def train(
    stage: Stage,
    settings: Supervised,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    samples: list[Sample],
    packed_tokens: int | None = None,
    curriculum_share: float | None = None,
) -> dict[str, Any]:
    """Train to `settings.steps`, resuming from the last whole checkpoint; saves `checkpoint/`, returns metrics.

    With `packed_tokens` samples are cut and joined into rows of that many tokens. With `curriculum_share` they are
    taken as they come, and the learning rate stays constant for that share of the steps before it decays.
    """
    if not samples:
        raise TrainError("no training samples; the split this stage reads is empty, collect more episodes")
    set_seed(stage.seed)
    torch.set_num_threads(settings.threads)
    rows = settings.tokens_per_step / (packed_tokens or _mean_tokens(samples))
    rows_per_pass = max(1, round(rows / settings.passes_per_step))
    if curriculum_share is not None:
        samples = long_samples_apart(samples, rows_per_pass * settings.passes_per_step, stage.seed)
    trainer = SFTTrainer(
        model=model,
        args=_arguments(stage, settings, rows_per_pass, packed_tokens, curriculum_share),
        train_dataset=Dataset.from_list([vars(sample) for sample in samples]),
        processing_class=tokenizer,
        optimizers=(build_optimizer(model, settings.optimizer, settings.learning_rate), None),
    )
    score_labels_only(model)
    train_to_end(trainer, stage)
    save_checkpoint(model, tokenizer, stage.out / "checkpoint")
    return {"loss": mean_loss(trainer.state.log_history), "steps": trainer.state.global_step, **_sizes(samples)}


def long_samples_apart(samples: list[Sample], batch: int, seed: int) -> list[Sample]:
    """The samples in nearly their order, with the long ones in batches of their own, and every batch sorted by length.

    One long sample pads a whole batch. Batches of one length throughout would pad still less, but length tells the
    command, and a step should see many: only its passes get rows of nearly one length.
    """
    draw, ordered = random.Random(seed), []
    long_tokens = LONG_SHARE * _mean_tokens(samples)
    for start in range(0, len(samples), batch * WINDOW_BATCHES):
        window = samples[start : start + batch * WINDOW_BATCHES]
        window = sorted(window, key=lambda sample: len(sample.input_ids) > long_tokens)
        batches = [window[i : i + batch] for i in range(0, len(window), batch)]
        full, rest = batches[: len(window) // batch], batches[len(window) // batch :]
        draw.shuffle(full)
        ordered += [sample for some in (*full, *rest) for sample in sorted(some, key=lambda s: len(s.input_ids))]
    return ordered


def _arguments(
    stage: Stage, settings: Supervised, rows_per_pass: int, packed_tokens: int | None, curriculum_share: float | None
) -> SFTConfig:
    return SFTConfig(
        output_dir=str(stage.out / "trainer"),
        max_steps=settings.steps,
        per_device_train_batch_size=rows_per_pass,
        gradient_accumulation_steps=settings.passes_per_step,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={
            "num_decay_steps": round(settings.steps * (1 - (curriculum_share or 0.0))),
            "decay_type": "linear",
        },
        packing=packed_tokens is not None,
        packing_strategy="wrapped",
        max_length=packed_tokens,
        # Not by length: that order is drawn from a generator no checkpoint holds, and a resumed run would see another.
        train_sampling_strategy="random" if curriculum_share is None else "sequential",
        activation_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        bf16=True,
        save_steps=settings.save_every_steps,
        save_total_limit=2,
        logging_steps=max(1, settings.steps // 40),
        report_to="none",
        seed=stage.seed,
        data_seed=stage.seed,
        disable_tqdm=True,
        loss_type="nll",
    )


def _mean_tokens(samples: list[Sample]) -> float:
    return sum(len(sample.input_ids) for sample in samples) / len(samples)


def _sizes(samples: list[Sample]) -> dict[str, float]:
    mean = _mean_tokens(samples)
    supervised = sum(label != IGNORED for s in samples for label in s.labels)
    return {
        "samples": len(samples),
        "tokens_per_sample": mean,
        "supervised_share": supervised / (mean * len(samples)),
    }
