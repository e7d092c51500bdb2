"""Checkpoints a killed stage can trust, and the final one it leaves behind.

The Trainer writes a checkpoint file by file, and a disk may lose or change what
was written. A seal that is written last names every file with its size and
SHA-256: what differs from its seal is never resumed from. It is against
accidents; whoever can write to the folder can forge it.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from agentworld_dag.artifacts import write_json
from agentworld_dag.errors import TrainError

COMPLETE = "COMPLETE"
"""The seal's file name."""
FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
"""Of a checkpoint with its tokenizer. Weights in other formats can hold code."""


def seal(folder: Path) -> None:
    """Mark a checkpoint in which everything is written as whole."""
    write_json(folder / COMPLETE, {"files": {name: _contents(folder / name) for name in _files(folder)}})


def last_whole_checkpoint(folder: Path, log: Callable[[str], None]) -> Path | None:
    """The latest of the Trainer's checkpoints in `folder` that is as it was sealed, if any.

    Later ones are removed, for the Trainer counts them when it makes room, and logged with what is wrong. Earlier ones
    are not read, which takes minutes where a checkpoint is large.
    """
    for path in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        if not (wrong := flaw(path)):
            return path
        log(f"removed {path}: {wrong}")
        shutil.rmtree(path)
    return None


def step_of(folder: Path) -> int:
    """Of a checkpoint of the Trainer's."""
    return int(folder.name.rpartition("-")[2])


def flaw(folder: Path) -> str | None:
    """The first difference between a checkpoint and its seal; None when it is whole."""
    try:
        files = json.loads((folder / COMPLETE).read_text())["files"]
    except FileNotFoundError:
        return "it was not finished"
    except (ValueError, KeyError, TypeError):
        return f"{COMPLETE} cannot be read"
    for name, written in files.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if (here := _contents(folder / name)) != written:
            return f"{name} has changed, found {here}, expected {written}"
    return None


def load_checkpoint(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of `folder`, in float32 with the key-value cache on. Raises TrainError if it is not one."""
    _check(folder)
    # Eager attention: on a CPU at these sizes the fused kernel is slower, forward and backward.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention)
    model.config.use_cache = model.generation_config.use_cache = True
    return model, AutoTokenizer.from_pretrained(folder)


def copy_checkpoint(source: Path, folder: Path) -> None:
    """Weights in safetensors, configuration and tokenizer, whole or not at all. Raises TrainError if there are none."""
    _check(source)
    if not list(source.glob("*.safetensors")):
        raise TrainError(f"{source} holds no weights in safetensors; save it with transformers' `save_pretrained`")
    beside = _aside(folder)
    for pattern in FILES:
        for file in source.glob(pattern):
            shutil.copy(file, beside / file.name)
    _replace(beside, folder)


def count_parameters(folder: Path) -> int:
    """Numbers in a checkpoint's weights, by their headers: a tensor with two names counts once."""
    return sum(math.prod(shape) for file in folder.glob("*.safetensors") for shape in _shapes(file))


def _shapes(file: Path) -> Iterator[list[int]]:
    with safe_open(file, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118
            yield tensors.get_slice(name).get_shape()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint. Raises TrainError if `folder` is not one."""
    _check(folder)
    return AutoTokenizer.from_pretrained(folder)


def _check(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise TrainError(f"{folder} holds no checkpoint (no config.json); run the stage that makes it first")


def save_checkpoint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, state: dict[str, Any] | None = None
) -> None:
    """The stage's final weights, whole or not at all; `AutoModelForCausalLM.from_pretrained` loads them.

    `state`: all weights, where the model in this process does not hold them.
    """
    beside = _aside(folder)
    model.save_pretrained(beside, state_dict=state)
    tokenizer.save_pretrained(beside)
    _replace(beside, folder)


def _aside(folder: Path) -> Path:
    """An empty folder beside it, to write into."""
    beside = folder.with_name(f".{folder.name}.aside")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    return beside


def _replace(beside: Path, folder: Path) -> None:
    # An earlier attempt that was killed after this has left one; a folder that is not empty cannot be replaced.
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _contents(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
