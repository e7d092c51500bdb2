"""Judgements of predictions: by an LLM behind an endpoint, or by the embedded reference-grounded rules.

`judged.jsonl` holds what the official script's `judge` writes, and `judge`, who
it was: each judge has a folder of its own, and scores of different judges are
never compared. What the model did not answer is a failed row and costs no call;
a judge that does not give five integers from 1 to 5 has failed as well, and is
not asked until it does: that would be a choice among its answers. A row is made
again by a later run when its prediction has changed or its judge had failed.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentworld_dag.benchmark.calls import Call, make_calls
from agentworld_dag.benchmark.cost import Prices, used
from agentworld_dag.benchmark.extraction import after_reasoning, observation, predicted_observation
from agentworld_dag.benchmark.prompts import OWN, JudgePrompts
from agentworld_dag.benchmark.results import ResultsFile
from agentworld_dag.benchmark.rules import RULES_VERSION, judge_by_rules
from agentworld_dag.benchmark.samples import BenchSample, Key, placed
from agentworld_dag.endpoints.client import Endpoint, Refusal, Reply
from agentworld_dag.training.judge import Rubric

JUDGED = "judged.jsonl"
RULES = "rules"
"""The name of the embedded judge."""
SHOWN_CHARS = 200
Row = dict[str, Any]
Predictions = Mapping[Key, Mapping[str, Any]]


def judge_with_rules(samples: Sequence[BenchSample], predictions: Predictions, out: Path) -> Path:
    """Returns the file of judged rows. Raises EvaluationError when the folder is another run's."""
    with ResultsFile(judged_file(out, RULES), {"judge": RULES, "rules": RULES_VERSION}) as results:
        for sample, said in _pending(samples, predictions, results):
            results.add(scored_row(sample.key, said, RULES, judge_by_rules(said, observation(sample.truth))))
        return results.path


def judge_with_model(
    samples: Sequence[BenchSample],
    predictions: Predictions,
    judge: Endpoint,
    out: Path,
    prompts: JudgePrompts = OWN,
    prices: Prices | None = None,
) -> Path:
    """Returns the file of judged rows; what was judged earlier into the same folder is kept.

    Raises EndpointError when the judge is unusable, EvaluationError when the folder is another run's.
    """
    name = prompts.judge(judge.model)
    asked = {"judge": judge.model, "temperature": judge.temperature, "rubric": prompts.version}
    with ResultsFile(judged_file(out, name), asked) as results:
        said = {sample.key: (sample, text) for sample, text in _pending(samples, predictions, results)}

        def messages(key: Key) -> list[dict[str, str]]:
            sample, text = said[key]
            return prompts.messages(sample, text, observation(sample.truth))

        def to_row(call: Call, found: Reply | Refusal) -> Row:
            return judged_row(call.key, said[call.key][1], name, found, prompts, prices)

        calls = [Call(key, lambda key=key: messages(key)) for key in said]
        make_calls(calls, judge, results, to_row, f"judged by {judge.model}")
        return results.path


def _pending(
    samples: Sequence[BenchSample], predictions: Predictions, results: ResultsFile
) -> list[tuple[BenchSample, str]]:
    """Samples without a judgement of what was predicted; a missing prediction is recorded here, as a failure."""
    kept = results.rows()
    pending: list[tuple[BenchSample, str]] = []
    for sample in samples:
        row, before = predictions[sample.key], kept.get(sample.key, {})
        said = _said(row)
        if said is None:
            cause = row.get("error_message") or "the model wrote no observation"
            results.add(_failed(sample.key, None, f"no prediction: {cause}"))
        elif before.get("failed", 1.0) or before["extracted_output"] != said:
            pending.append((sample, said))
    return pending


def _said(row: Mapping[str, Any]) -> str | None:
    """What was predicted; an answer cut off before its first word predicts nothing."""
    said = None if row["failed"] else predicted_observation(row["gen"])
    return None if said == "" and row.get("finish_reason") == "length" else said


def judged_row(
    key: Key,
    said: str,
    judge: str,
    found: Reply | Refusal,
    prompts: JudgePrompts = OWN,
    prices: Prices | None = None,
) -> Row:
    """What a judge behind an endpoint answered about `said`; without five integers the row has failed."""
    if isinstance(found, Refusal):
        return _failed(key, said, f"the judge did not answer: {found.cause}") | used(found, prices)
    try:
        row = scored_row(key, said, judge, prompts.scores(after_reasoning(found.text)))
    except (ValueError, RecursionError):
        row = _failed(key, said, f"the judge gave no scores: {found.text[:SHOWN_CHARS]!r}")
    return row | {"judge_raw_output": found.text} | used(found, prices)


def scored_row(key: Key, said: str, judge: str, scores: Rubric) -> Row:
    mean = sum(scores.values()) / len(scores)
    return placed(key) | scores | {"total_score": mean, "failed": 0.0, "judge": judge, "extracted_output": said}


def _failed(key: Key, said: str | None, cause: str) -> Row:
    return placed(key) | {"total_score": 0, "failed": 1.0, "error_message": cause, "extracted_output": said}


def judged_file(out: Path, judge: str) -> Path:
    """Where the judgements of one judge lie."""
    return out / folder_name("judged", judge) / JUDGED


def folder_name(what: str, judge: str) -> str:
    return f"{what}-{slug(judge)}"


def slug(model: str) -> str:
    """A model's name as a folder's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model)
