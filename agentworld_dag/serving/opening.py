"""The one place that chooses where a checkpoint answers: in this process, or behind a vLLM server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentworld_dag.serving.engine import ServedEngine
from agentworld_dag.serving.server import serving
from agentworld_dag.serving.settings import Serving
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.in_process import load_engine
from agentworld_dag.training.checkpoints import load_tokenizer


@contextmanager
def open_engine(checkpoint: Path, seed: int, settings: Serving) -> Iterator[Engine]:
    """Raises TrainError when there is no checkpoint, EndpointError when no server answers for it."""
    if settings.engine == "in_process":
        yield load_engine(checkpoint, seed, settings.max_tokens)
        return
    tokenizer = load_tokenizer(checkpoint)
    with serving(checkpoint, settings) as server, ServedEngine(server, tokenizer, seed, settings) as engine:
        yield engine
