"""What a speed benchmark works on: real sessions and a model of a preset's shape from random weights.

The graph's own stages make both, as scripts: sessions of the real shell are
recorded, cleaned and split, and a tokenizer learns from them. Only the size of
the vocabulary is put right afterwards: a few hundred sessions teach a tokenizer
a few hundred words, and a model with that few would be of another shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from agentworld_dag.config import Preset, load_preset
from agentworld_dag.home import preset_path
from agentworld_dag.rounds import merged
from agentworld_dag.training.checkpoints import load_checkpoint, save_checkpoint
from benchmarks.speed.children import run_module

EXPLORATORY_SHARE = 0.6
"""Of the sessions, as in the tiny preset."""


@dataclass(frozen=True)
class Material:
    folder: Path
    preset_file: Path
    preset: Preset
    splits: Path
    base: Path
    """Artifact with `checkpoint/`."""


def default_preset() -> str:
    """The one that asks for one GPU where there is one."""
    return "small" if torch.cuda.is_available() else "tiny"


def make_material(name: str, changes: Mapping[str, Any], sessions: int, seed: int, folder: Path) -> Material:
    """Everything below `folder`. Raises ConfigError, and RunError when a stage fails."""
    preset_file = folder / "preset.yaml"
    preset = write_preset(preset_file, load_preset(preset_path(name)), merged(_random_model(sessions), changes))
    flags = ["--config", preset_file, "--seed", seed]
    for module, made, source in (
        ("trajectories.collect", "raw_trajectories", None),
        ("trajectories.clean", "clean_trajectories", "raw_trajectories"),
        ("trajectories.splits", "trajectory_splits", "clean_trajectories"),
        ("training.base_model", "base_model", "trajectory_splits"),
    ):
        inputs = ["--input", f"{source}={folder / source}"] if source else []
        run_module(f"agentworld_dag.{module}", [*flags, *inputs, "--out", folder / made], folder / f"{made}.log")
    _resize(folder / "base_model" / "checkpoint", preset.model.vocab_size)
    return Material(folder, preset_file, preset, folder / "trajectory_splits", folder / "base_model")


def write_preset(file: Path, preset: Preset, changes: Mapping[str, Any]) -> Preset:
    """The preset with sections changed, written out for stage scripts. Raises ConfigError."""
    file.write_text(yaml.safe_dump(merged(preset.model_dump(mode="json"), changes)))
    return load_preset(file)


def _random_model(sessions: int) -> dict[str, Any]:
    exploratory = round(sessions * EXPLORATORY_SHARE)
    collection = {"exploratory_episodes": exploratory, "task_episodes": sessions - exploratory}
    return {"collection": collection, "model": {"checkpoint": None}}


def _resize(checkpoint: Path, vocabulary: int) -> None:
    model, tokenizer = load_checkpoint(checkpoint)
    model.resize_token_embeddings(vocabulary, mean_resizing=False)
    save_checkpoint(model, tokenizer, checkpoint)
