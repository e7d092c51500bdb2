"""The same work for TRL's own scripts: the samples of our stages as data sets on disk, and the flags.

Flags say only what makes two runs comparable: model, data, steps, rows of a
step, rate, lengths, objective and seed. All else is what `trl sft` and
`trl grpo` do when nobody says otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from agentworld_dag.training import cpt, sft
from agentworld_dag.training.checkpoints import load_tokenizer
from agentworld_dag.training.supervised import Sample
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.training.world_model_rl import one_turn_each
from agentworld_dag.trajectories.loss_mask import kept_turns
from agentworld_dag.trajectories.parquet import read_trajectories
from benchmarks.speed.material import Material
from benchmarks.speed.rewards import odd_sums

ROWS_PER_PASS = 8
"""TRL's default."""
UNCUT_TOKENS = 1024
"""TRL cuts longer samples by default, ours does not."""
REWARD = f"{odd_sums.__module__}.{odd_sums.__qualname__}"


@dataclass(frozen=True)
class DataSet:
    folder: Path
    mean_tokens: float
    longest_tokens: int


def cpt_samples(material: Material, seed: int) -> list[Sample]:
    """As stage 1 makes them."""
    encoder = ChatEncoder(load_tokenizer(material.base / "checkpoint"))
    preset = material.preset
    return [
        cpt.observation_sample(encoder, each, kept_turns(each, preset.collection.seed), preset.model.template)
        for each in read_trajectories(material.splits / "cpt.parquet")
    ]


def sft_samples(material: Material, seed: int) -> list[Sample]:
    """As stage 2 makes them without a rehearsal, from the front until all its steps are filled."""
    encoder = ChatEncoder(load_tokenizer(material.base / "checkpoint"))
    preset = material.preset
    chosen = sft.places(read_trajectories(material.splits / "sft.parquet"), preset.sft.history_share, seed)
    patches = sft.turn_samples(encoder, chosen, preset.model.template, whole_state=False)
    return sft.curriculum([], patches, preset.sft)


def write_samples(samples: Sequence[Sample], folder: Path) -> DataSet:
    lengths = [len(sample.input_ids) for sample in samples]
    _write(pl.DataFrame([vars(sample) for sample in samples]), folder)
    return DataSet(folder, sum(lengths) / len(lengths), max(lengths))


def write_prompts(material: Material, seed: int, folder: Path) -> DataSet:
    """Prompts of stage 3, as messages."""
    template = material.preset.model.template
    rows = one_turn_each(read_trajectories(material.splits / "rl.parquet"), template, seed)
    encoder = ChatEncoder(load_tokenizer(material.base / "checkpoint"))
    lengths = [len(ids) for ids in encoder.prompts(row["prompt"] for row in rows)]
    _write(pl.DataFrame({"prompt": [row["prompt"] for row in rows]}), folder)
    return DataSet(folder, sum(lengths) / len(lengths), max(lengths))


def supervised_flags(material: Material, data: DataSet, stage: str, seed: int, out: Path) -> list[str]:
    """Of `trl sft`."""
    settings = getattr(material.preset, stage)
    flags = {
        **_common(material, data, settings.steps, settings.learning_rate, seed, out),
        "gradient_accumulation_steps": passes(settings.tokens_per_step, data.mean_tokens),
    }
    if data.longest_tokens > UNCUT_TOKENS:
        flags["max_length"] = data.longest_tokens
    return _written(flags)


def group_flags(material: Material, data: DataSet, seed: int, out: Path) -> list[str]:
    """Of `trl grpo`."""
    settings = material.preset.world_model_rl
    flags = {
        **_common(material, data, settings.steps, settings.learning_rate, seed, out),
        "gradient_accumulation_steps": settings.prompts_per_step * settings.group_size // ROWS_PER_PASS,
        "num_generations": settings.group_size,
        "max_completion_length": settings.max_new_tokens,
        "temperature": settings.temperature,
        "importance_sampling_level": "sequence",
        "loss_type": "grpo",
        "reward_funcs": REWARD,
    }
    return _written(flags)


def passes(tokens_per_step: int, mean_tokens: float) -> int:
    """Of TRL's eight rows each, for about the tokens of a step of ours."""
    return max(1, round(tokens_per_step / mean_tokens / ROWS_PER_PASS))


def _common(
    material: Material, data: DataSet, steps: int, learning_rate: float, seed: int, out: Path
) -> dict[str, object]:
    return {
        "model_name_or_path": material.base / "checkpoint",
        "dataset_name": data.folder,
        "output_dir": out,
        "max_steps": steps,
        "learning_rate": learning_rate,
        "logging_steps": 1,
        "seed": seed,
        "use_cpu": not torch.cuda.is_available(),  # without it TRL refuses bfloat16, its default, on a processor
    }


def _written(flags: dict[str, object]) -> list[str]:
    return [str(word) for name, value in flags.items() for word in (f"--{name}", value)]


def _write(frame: pl.DataFrame, folder: Path) -> None:
    folder.mkdir()
    frame.write_parquet(folder / "train.parquet")
