"""Predictions of a checkpoint in this process: a small model needs no server.

`official` shows any chat model the messages of the layout, `history` and
`ledger` show a model of this project what it was trained on
(`trajectories.render`, compact), which takes the true states that our own files
hold. Answers are made and kept a batch at a time; their rows are those of
`inference`. Large models belong behind an endpoint.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from agentworld_dag.benchmark.extraction import observation
from agentworld_dag.benchmark.inference import PREDICTIONS, content_of
from agentworld_dag.benchmark.progress import progress_bar
from agentworld_dag.benchmark.results import ResultsFile
from agentworld_dag.benchmark.samples import BenchSample, Key, placed
from agentworld_dag.errors import EvaluationError
from agentworld_dag.trajectories.agentworldbench import action_of
from agentworld_dag.trajectories.render import Message, prompt_messages
from agentworld_dag.trajectories.schema import SystemPrompt

if TYPE_CHECKING:
    from agentworld_dag.simulator.engine import Engine
    from agentworld_dag.training.tokenizer import ChatEncoder

Shown = Literal["official", "history", "ledger"]
SHOWN: tuple[Shown, ...] = get_args(Shown)
BATCH = 256
"""Answers a kill may cost."""
Row = dict[str, Any]


@dataclass(frozen=True)
class LocalModel:
    """A checkpoint and how it is asked."""

    checkpoint: Path
    shown: Shown
    temperature: float
    max_tokens: int
    reasons: bool
    """False for a checkpoint that answers without thinking, such as one after CPT."""
    seed: int


def predict_locally(samples: Sequence[BenchSample], model: LocalModel, out: Path) -> dict[Key, Row]:
    """The row of each sample, made now or by an earlier run into the same folder.

    Raises EvaluationError when the samples hold no states for such a model or the folder is another run's, TrainError
    when there is no checkpoint.
    """
    _refuse_stateless(samples, model)
    with ResultsFile(out / PREDICTIONS, _settings(samples, model)) as results:
        made = results.rows()
        missing = [sample for sample in samples if sample.key not in made]
        if missing:
            _predict(missing, model, results)
        return results.rows()


def _predict(samples: Sequence[BenchSample], model: LocalModel, results: ResultsFile) -> None:
    from agentworld_dag.simulator.in_process import load_engine
    from agentworld_dag.training.tokenizer import ChatEncoder

    engine = load_engine(model.checkpoint, model.seed)
    encoder = ChatEncoder(engine.tokenizer)
    with progress_bar("predictions", len(samples), "answer") as bar:
        for start in range(0, len(samples), BATCH):
            for row in _rows(engine, encoder, samples[start : start + BATCH], model):
                results.add(row)
                bar.update()


def _rows(engine: "Engine", encoder: "ChatEncoder", batch: Sequence[BenchSample], model: LocalModel) -> Iterator[Row]:
    prompts = encoder.prompts((_messages(sample, model.shown) for sample in batch), thinking=model.reasons)
    window = engine.window.max_tokens
    fits = [len(prompt) + model.max_tokens <= window for prompt in prompts]
    started = time.monotonic()
    asked = [prompt for prompt, fit in zip(prompts, fits, strict=True) if fit]
    answers = iter(engine.generate_batch(asked, model.max_tokens, model.temperature))
    latency_s = round((time.monotonic() - started) / max(len(asked), 1), 4)
    for sample, prompt, fit in zip(batch, prompts, fits, strict=True):
        if fit:
            said = _said(encoder, next(answers), model)
            yield placed(sample.key) | said | {"prompt_tokens": len(prompt), "latency_s": latency_s}
        else:
            cause = f"{len(prompt)} tokens and an answer of {model.max_tokens} do not fit the window of {window}"
            yield placed(sample.key) | {"gen": "", "failed": 1.0, "error_message": cause}


def _said(encoder: "ChatEncoder", ids: list[int], model: LocalModel) -> Row:
    return {
        "gen": encoder.tokenizer.decode(ids),
        "failed": 0.0,
        "finish_reason": "length" if len(ids) == model.max_tokens else "stop",
        "completion_tokens": len(ids),
    }


def _messages(sample: BenchSample, shown: Shown) -> list[Message]:
    if shown == "official":
        return [dict(message) for message in sample.messages()]
    actions, observations = map(action_of, sample.actions), map(observation, sample.observations)
    turns = list(zip(actions, observations, strict=True))
    action = turns.pop()[0]
    state, past = (sample.initial_state, turns) if shown == "history" else (sample.state, [])
    return prompt_messages(SystemPrompt("", ""), state, past, action, "compact")


def _refuse_stateless(samples: Sequence[BenchSample], model: LocalModel) -> None:
    without = [sample.key for sample in samples if not sample.initial_state]
    if model.shown != "official" and without:
        raise EvaluationError(
            f"{len(without)} of {len(samples)} samples hold no true state (first: {without[0]}), which {model.shown} "
            "shows; ask with official, or make the samples with `bench build`"
        )


def _settings(samples: Sequence[BenchSample], model: LocalModel) -> dict[str, Any]:
    return asdict(model) | {"checkpoint": _identity(model.checkpoint), "samples": content_of(samples)}


def _identity(checkpoint: Path) -> str:
    """Name, size and time of its files: reading all of a large checkpoint to name it would take minutes."""
    stats = [(file.name, file.stat()) for file in sorted(checkpoint.glob("*")) if file.is_file()]
    told = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return f"{checkpoint.name}-{hashlib.sha256(repr(told).encode()).hexdigest()[:12]}"
