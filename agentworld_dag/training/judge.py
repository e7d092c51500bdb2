"""The score of a predicted observation: five dimensions, 1 to 5 each (paper section 4.2).

`judge_by_rules` is the embedded reference-grounded rule judge: it compares
with the true observation and knows nothing else. A language model as judge is
in `chat_judge`. Scores of different judges never share a column. A judge never
sees the model's reasoning.
"""

import json
from collections import Counter
from collections.abc import Sequence

DIMENSIONS = ("format", "factuality", "consistency", "realism", "quality")
Rubric = dict[str, int]


def judge_by_rules(prediction: str, truth: str) -> Rubric:
    """Scores from line and word overlap with the truth; 5 everywhere exactly when the two are equal."""
    predicted_body, predicted_end = _body_and_end(prediction)
    true_body, true_end = _body_and_end(truth)
    longest = max(len(prediction), len(truth), 1)
    return {
        "format": 5 if predicted_end[-1:] == true_end[-1:] else 1,
        "factuality": _grade(overlap_f1(predicted_body, true_body)),
        "consistency": 5 if predicted_end == true_end else 1,
        "realism": _grade(min(len(prediction), len(truth)) / longest),
        "quality": 5 if prediction == truth else min(4, _grade(overlap_f1(prediction.split(), truth.split()))),
    }


def overlap_f1(predicted: Sequence[str], true: Sequence[str]) -> float:
    """F1 of two multisets; 1 when both are empty."""
    if not predicted and not true:
        return 1.0
    common = (Counter(predicted) & Counter(true)).total()
    return 2 * common / (len(predicted) + len(true))


def _body_and_end(observation: str) -> tuple[list[str], str]:
    *body, end = observation.split("\n")
    return body, end


def _grade(share: float) -> int:
    return 1 + int(4 * share)


def parse_rubric(text: str) -> Rubric:
    """The five integers in a judge's answer. Raises ValueError unless each is an integer from 1 to 5."""
    scores = json.loads(text[text.index("{") : text.rindex("}") + 1])
    rubric = {dimension: scores.get(dimension) for dimension in DIMENSIONS}
    if not all(type(score) is int and 1 <= score <= 5 for score in rubric.values()):
        raise ValueError(f"expected integers 1 to 5 for {', '.join(DIMENSIONS)}, found {rubric}")
    return rubric
