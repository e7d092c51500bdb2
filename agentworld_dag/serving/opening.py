"""The one place that chooses where a checkpoint answers: in this process, or behind a vLLM server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentworld_dag.ranks import of_this_process
from agentworld_dag.serving.engine import ServedEngine
from agentworld_dag.serving.settings import Serving
from agentworld_dag.serving.shared import shared
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.in_process import load_engine
from agentworld_dag.training.checkpoints import load_tokenizer


@contextmanager
def open_engine(checkpoint: Path, seed: int, settings: Serving) -> Iterator[Engine]:
    """Of processes that train together all have to call.

    Raises TrainError when there is no checkpoint, EndpointError when no server answers for it.
    """
    if settings.engine == "in_process":
        yield load_engine(checkpoint, seed, settings.max_tokens)
        return
    tokenizer = load_tokenizer(checkpoint)
    with (
        shared(checkpoint, settings, of_this_process()) as server,
        ServedEngine(server, tokenizer, seed, settings) as engine,
    ):
        yield engine
