"""The benchmark's embedded judge: a prediction against the truth by rules, and nothing else known.

It is not the rule judge that RL rewards (`training.judge`): a model is not
measured by what it was trained on. And no dimension can be raised by filler:
each counts what of the truth is there against all that is there, so text that
is not in the truth never earns a point, wherever it stands. Lengths and shapes
are left out for that reason. What a mistake means is left out as well: a wrong
exit code is one wrong line.

- format: lines that stand in their place, counted from the first on and from the last back.
- factuality: whole lines, in any order.
- consistency: the closing line (a prompt: where the environment now stands, and whether the action failed).
- realism: the worse of two shares, words of the truth among those predicted and the reverse: inventing costs, and so
  does leaving out.
- quality: words predicted and words of the truth, in any order.
"""

from collections import Counter
from collections.abc import Sequence

from agentworld_dag.training.judge import Rubric, overlap_f1

RULES_VERSION = "rules-1"


def judge_by_rules(prediction: str, truth: str) -> Rubric:
    """Five integers from 1 to 5; all are 5 exactly when the two are equal."""
    lines, true_lines = prediction.split("\n"), truth.split("\n")
    words, true_words = prediction.split(), truth.split()
    return {
        "format": _grade(_in_place(lines, true_lines)),
        "factuality": _grade(overlap_f1(lines, true_lines)),
        "consistency": 5 if lines[-1] == true_lines[-1] else 1,
        "realism": _grade(min(_precision(words, true_words), _precision(true_words, words))),
        "quality": 5 if prediction == truth else min(4, _grade(overlap_f1(words, true_words))),
    }


def _in_place(predicted: Sequence[str], true: Sequence[str]) -> float:
    """F1 of lines, of which those count that both sides share at the start or at the end."""
    shorter = min(len(predicted), len(true))
    start = _shared_start(predicted[:shorter], true[:shorter])
    end = _shared_start(predicted[start:][::-1], true[start:][::-1])
    return 2 * (start + end) / (len(predicted) + len(true))


def _shared_start(predicted: Sequence[str], true: Sequence[str]) -> int:
    pairs = zip(predicted, true, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(predicted), len(true)))


def _precision(predicted: Sequence[str], true: Sequence[str]) -> float:
    if not predicted:
        return float(not true)
    return (Counter(predicted) & Counter(true)).total() / len(predicted)


def _grade(share: float) -> int:
    """5 for all of it only."""
    return 1 + int(4 * share)
