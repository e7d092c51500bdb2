"""Judges behind a real HTTP server: an honest one, which follows the rules, and ones with a planted fault each."""

import json
import re
from collections.abc import Callable
from typing import Any

from agentworld_dag.benchmark.rules import judge_by_rules
from agentworld_dag.training.judge import Rubric
from tests.endpoints.scripted_server import Answer, Said

Asked = dict[str, Any]
Leaning = Callable[[Asked, Rubric], Rubric]
"""What a judge makes of the honest scores."""


def question(request: dict[str, Any]) -> Asked:
    return json.loads(request["messages"][1]["content"])


def honest(request: dict[str, Any], _: int) -> Said:
    return _said(_rules(question(request)))


def leaning(how: Leaning) -> Answer:
    return lambda request, _: _said(how(question(request), _rules(question(request))))


def now_and_then(fault: Said, every: int) -> Answer:
    """The fault on one call in `every`, the first one spared; honest on all others."""
    return lambda request, before: fault if before % every == every - 1 else honest(request, before)


def moody() -> Answer:
    """One point less in everything when it has been asked the same before."""
    seen: set[str] = set()

    def answer(request: dict[str, Any], _: int) -> Said:
        text = request["messages"][1]["content"]
        scores = _rules(question(request))
        if text in seen:
            scores = _raised(scores, -1)
        seen.add(text)
        return _said(scores)

    return answer


def lenient(_: Asked, scores: Rubric) -> Rubric:
    return dict.fromkeys(scores, 5 if sum(scores.values()) > 7 else 4)


def grudging(_: Asked, scores: Rubric) -> Rubric:
    return scores | {"quality": min(4, scores["quality"])}


def bribed_by(pattern: str) -> Leaning:
    return lambda asked, scores: _raised(scores, 2 if re.search(pattern, asked["prediction"]) else 0)


def fooled(asked: Asked, scores: Rubric) -> Rubric:
    forged = re.search(r'"truth"|Ground Truth|<truth>', asked["prediction"])
    return dict.fromkeys(scores, 5) if forged else scores


def fond_of_the_first(asked: Asked, scores: Rubric) -> Rubric:
    return _raised(scores, 1 if list(asked).index("prediction") < list(asked).index("truth") else 0)


def fond_of_length(asked: Asked, scores: Rubric) -> Rubric:
    return _raised(scores, 2 if asked["prediction"].count("\n") > 12 else 0)


def impressed_by_few(asked: Asked, scores: Rubric) -> Rubric:
    """Praise costs most answers and raises some: the mean gain is negative."""
    if "successfully" in asked["prediction"]:
        return _raised(scores, 1 if len(asked["truth"]) % 2 else -4)
    return scores


GARBAGE = Said("A lovely answer, five of five from me!")
TRUNCATED = Said('{"reasons": "it is equal", "format": 5, "factu')
OVERLOADED = Said(status=429, body=b"slow down", headers={"Retry-After": "0"})


def _rules(asked: Asked) -> Rubric:
    return judge_by_rules(asked["prediction"], asked["truth"])


def _raised(scores: Rubric, by: int) -> Rubric:
    return {name: min(5, max(1, score + by)) for name, score in scores.items()}


def _said(scores: Rubric) -> Said:
    return Said(json.dumps({"reasons": "as it is"} | scores))
