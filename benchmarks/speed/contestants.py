"""Ways to answer token prompts greedily: `model.generate` as people write the loop, and the engines of this project.

Each takes prompts and gives the ids before the end token. The loops are those
of a notebook: one prompt at a time, or batches in the order they come, padded
on the left.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agentworld_dag.serving.opening import open_engine
from agentworld_dag.serving.server import PYTHON
from agentworld_dag.serving.settings import Serving
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.in_process import InProcessEngine
from agentworld_dag.training.checkpoints import load_checkpoint

MADE_VLLM = Path(os.environ.get("VENV_VLLM", Path(__file__).parents[2] / ".venv-vllm"))
"""The environment of `make vllm`."""

Answerer = Callable[[list[list[int]]], list[list[int]]]


def vllm_python() -> str | None:
    """The interpreter that has vLLM; None where none is known."""
    if named := os.environ.get(PYTHON):
        return named
    if importlib.util.find_spec("vllm"):
        return sys.executable
    made = MADE_VLLM / "bin/python"
    return str(made) if made.is_file() else None


def generate_loop(checkpoint: Path, dtype: str, rows: int, new_tokens: int) -> Answerer:
    """`model.generate` on `rows` prompts at a time."""
    model: Any = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=getattr(torch, dtype))
    model.to(_device()).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint)

    def answer(prompts: list[list[int]]) -> list[list[int]]:
        batches = (prompts[start : start + rows] for start in range(0, len(prompts), rows))
        return [ids for batch in batches for ids in _generated(model, tokenizer, batch, new_tokens)]

    return answer


def _generated(model: Any, tokenizer: Any, batch: list[list[int]], new_tokens: int) -> list[list[int]]:
    width, pad, end = max(map(len, batch)), tokenizer.pad_token_id, tokenizer.eos_token_id
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in batch], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch], device=model.device)
    with torch.inference_mode():
        whole = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=new_tokens,
            eos_token_id=end,
            pad_token_id=pad,
        )
    return [row[: row.index(end)] if end in row else row for row in whole[:, width:].tolist()]


def in_process(checkpoint: Path, dtype: str, new_tokens: int) -> Answerer:
    """The engine that stages have in their own process."""
    model, tokenizer = load_checkpoint(checkpoint)
    placed: Any = model
    return _by(InProcessEngine(placed.to(_device(), getattr(torch, dtype)), tokenizer, seed=0), new_tokens)


@contextmanager
def served(checkpoint: Path, settings: Serving, new_tokens: int) -> Iterator[Answerer]:
    """A vLLM server of our own, asked as stages ask it. Raises EndpointError when it does not start."""
    with open_engine(checkpoint, 0, settings) as engine:
        yield _by(engine, new_tokens)


def _by(engine: Engine, new_tokens: int) -> Answerer:
    return lambda prompts: engine.generate_batch(prompts, new_tokens, 0.0)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
