"""Predictions of a world model behind an endpoint, one call a sample, with the true history before it.

`predictions.jsonl` names what the official script's `infer` names (`task`,
`id`, `turn_idx`, `gen`) and adds what a call cost; prompts and truth stay in
the benchmark. A failed call is a row as well, with its cause; the next run
makes it again.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentworld_dag.benchmark.calls import Call, make_calls
from agentworld_dag.benchmark.cost import Prices, used
from agentworld_dag.benchmark.results import ResultsFile
from agentworld_dag.benchmark.samples import BenchSample, Key, placed
from agentworld_dag.endpoints.client import Endpoint, Refusal, Reply

PREDICTIONS = "predictions.jsonl"
NOT_THE_ANSWER = ("url", "api_key", "most_open", "timeout_s")
"""Settings of an endpoint that a prediction does not depend on."""


def predict_samples(
    samples: Sequence[BenchSample], endpoint: Endpoint, out: Path, prices: Prices | None = None
) -> dict[Key, dict[str, Any]]:
    """The row of each sample, made now or by an earlier run into the same folder.

    Raises EndpointError when the endpoint is unusable, EvaluationError when the folder is another run's.
    """
    with ResultsFile(out / PREDICTIONS, settings(samples, endpoint)) as results:
        made = {key for key, row in results.rows().items() if not row["failed"]}
        calls = [Call(sample.key, sample.messages) for sample in samples if sample.key not in made]
        to_row = lambda call, found: _row(call, found) | used(found, prices)  # noqa: E731
        make_calls(calls, endpoint, results, to_row, "predictions")
        return results.rows()


def settings(samples: Sequence[BenchSample], endpoint: Endpoint) -> dict[str, Any]:
    """What a prediction depends on: the model, how it is asked, and the samples."""
    asked = {name: value for name, value in dataclasses.asdict(endpoint).items() if name not in NOT_THE_ANSWER}
    return asked | {"samples": content_of(samples)}


def content_of(samples: Sequence[BenchSample]) -> str:
    """A digest of all that the samples show and ask."""
    return hashlib.sha256("\x1e".join(map(repr, samples)).encode()).hexdigest()[:12]


def _row(call: Call, found: Reply | Refusal) -> dict[str, Any]:
    if isinstance(found, Refusal):
        return placed(call.key) | {"gen": "", "failed": 1.0, "error_message": found.cause}
    return placed(call.key) | {
        "gen": found.text,
        "failed": 0.0,
        "finish_reason": found.finish_reason,
    }
