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
from agentworld_dag.training.adapters import with_adapters
from agentworld_dag.training.labelled_head import IGNORED, score_labels_only
from agentworld_dag.training.loop import mean_loss, train_to_end
from agentworld_dag.training.optimizer import optimizers
from agentworld_dag.training.settings import Supervised
from agentworld_dag.training.trainer_arguments import common_arguments
from agentworld_dag.training.weights import save_trained

WINDOW_BATCHES = 40
"""Samples move at most this many batches from their place in a curriculum."""
LONG_SHARE = 1.6
"""A sample this many times the mean length is long."""


@dataclass(frozen=True)
class Sample:
    """Token ids and, position by position, the id to predict or -100."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Packing:
    """Rows of `tokens` tokens; in `separate` ones no sample sees another, and only one longer than a row is cut."""

    tokens: int
    separate: bool


def prompt_and_target(prompt: list[int], target: list[int]) -> Sample:
    """A sample whose loss covers the target only."""
    return Sample(prompt + target, [IGNORED] * len(prompt) + target)


def train(
    stage: Stage,
    settings: Supervised,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    samples: list[Sample],
    packing: Packing | None = None,
    curriculum_share: float | None = None,
) -> dict[str, Any]:
    """Train to `settings.steps`, resuming from the last whole checkpoint; saves `checkpoint/`, returns metrics.

    With `packing` samples share rows. With `curriculum_share` they are
    taken as they come, and the learning rate stays constant for that share of the steps before it decays.
    """
    if not samples:
        raise TrainError("no training samples; the split this stage reads is empty, collect more episodes")
    set_seed(stage.seed)
    torch.set_num_threads(settings.threads)
    rows = settings.tokens_per_step / (packing.tokens if packing else _mean_tokens(samples))
    rows_per_pass = max(1, round(rows / settings.passes_per_step / stage.ranks.count))
    if curriculum_share is not None:
        batch = rows_per_pass * settings.passes_per_step * stage.ranks.count
        samples = long_samples_apart(samples, batch, stage.seed)
    trainer = SFTTrainer(
        model=with_adapters(model, settings.lora),
        args=_arguments(stage, settings, rows_per_pass, packing, curriculum_share),
        train_dataset=Dataset.from_list([vars(sample) for sample in samples]),
        processing_class=tokenizer,
        optimizers=optimizers(model, settings.optimizer, settings.learning_rate),
    )
    score_labels_only(model)
    train_to_end(trainer, stage)
    save_trained(trainer, stage, tokenizer)
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
    stage: Stage, settings: Supervised, rows_per_pass: int, packing: Packing | None, curriculum_share: float | None
) -> SFTConfig:
    """`rows_per_pass`: of each process."""
    return SFTConfig(
        **common_arguments(stage, settings),
        per_device_train_batch_size=rows_per_pass,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={
            "num_decay_steps": round(settings.steps * (1 - (curriculum_share or 0.0))),
            "decay_type": "linear",
        },
        packing=packing is not None,
        packing_strategy="bfd_split" if packing and packing.separate else "wrapped",
        padding_free=packing is not None and packing.separate,
        max_length=packing.tokens if packing else None,
        # Not by length: that order is drawn from a generator no checkpoint holds, and a resumed run would see another.
        train_sampling_strategy="random" if curriculum_share is None else "sequential",
        logging_steps=max(1, settings.steps // 40),
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
