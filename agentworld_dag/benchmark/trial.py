"""The judge on trial: what its scores are worth, measured on questions whose answers are known by construction.

Paper.md metric 17, without humans. Points are of the mean of the five
dimensions, 1 to 5. A gain is over the honest wrong answer to the same question.
An answer that is no five integers takes part in `unusable_share` and in nothing
else. Answers lie in `trial-JUDGE/answers.jsonl`, as judged rows whose id names
question and trajectory; a trial that was stopped goes on there. What the
numbers must be is for `verdicts` to say.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agentworld_dag.benchmark.calls import Call, make_calls
from agentworld_dag.benchmark.inference import settings
from agentworld_dag.benchmark.judging import RULES, folder_name, judged_row, scored_row
from agentworld_dag.benchmark.kappa import TOTAL, kappas
from agentworld_dag.benchmark.questions import (
    AGAIN,
    ASKED_AGAIN,
    ASKED_SWAPPED,
    GOLD,
    PLANTED,
    PROBES,
    SWAPPED,
    WRONG,
    Question,
    questions,
)
from agentworld_dag.benchmark.results import ResultsFile
from agentworld_dag.benchmark.rubric import RUBRIC_VERSION, judge_messages
from agentworld_dag.benchmark.rules import RULES_VERSION, judge_by_rules
from agentworld_dag.benchmark.samples import BenchSample, Key
from agentworld_dag.endpoints.client import Endpoint
from agentworld_dag.evaluation.intervals import Estimate, Floats, Resampling, Sample, estimate, mean, measured
from agentworld_dag.training.judge import DIMENSIONS, Rubric
from agentworld_dag.training.judge import judge_by_rules as rewarded_rules

SecondJudge = Callable[[str, str], Rubric]
"""The rules, or, where they are on trial themselves, those that RL is rewarded by."""
ANSWERS = "answers.jsonl"
HIGHEST = 5
CLEAR_ABOVE = 0.3
"""Points: more than one dimension by one, which a judge may also answer when asked again. A mean alone hides clear
gains of a few behind the losses of many."""


@dataclass(frozen=True)
class Trial:
    judge: str
    file: Path
    """What it answered."""
    measures: Mapping[str, Estimate | None]
    """None where nothing usable was answered."""


@dataclass(frozen=True)
class Answer:
    question: Question
    rubric: Rubric
    """Five integers: what has none is no answer."""

    @property
    def points(self) -> float:
        return sum(self.rubric.values()) / len(self.rubric)


Answers = Mapping[str, Mapping[Key, Answer]]
"""By kind of question, then by sample."""


def try_judge(samples: Sequence[BenchSample], judge: Endpoint | None, count: int, out: Path, plan: Resampling) -> Trial:
    """Asks a judge, None for the embedded rules, about `count` samples drawn with the plan's seed.

    Raises EndpointError when the judge is unusable, EvaluationError when the folder is another trial's or the
    samples leave nothing to ask.
    """
    asked = questions(samples, count, plan.seed)
    name = judge.model if judge else RULES
    file = out / folder_name("trial", name) / ANSWERS
    rows = _asked_of_endpoint(asked, judge, file) if judge else _asked_of_rules(asked, file)
    return Trial(name, file, _measures(asked, rows, plan, judge_by_rules if judge else rewarded_rules))


def _asked_of_rules(asked: Sequence[Question], file: Path) -> dict[Key, dict[str, Any]]:
    made_with = {"judge": RULES, "rules": RULES_VERSION, "questions": _content(asked)}
    with ResultsFile(file, made_with) as results:
        for each in asked:
            results.add(scored_row(each.key, each.prediction, RULES, judge_by_rules(each.prediction, each.truth)))
        return results.rows()


def _asked_of_endpoint(asked: Sequence[Question], judge: Endpoint, file: Path) -> dict[Key, dict[str, Any]]:
    made_with = settings([], judge) | {"rubric": RUBRIC_VERSION, "samples": None, "questions": _content(asked)}
    by_key = {each.key: each for each in asked}
    with ResultsFile(file, made_with) as results:
        kept = {key for key, row in results.rows().items() if not row["failed"]}
        calls = [Call(each.key, lambda each=each: _messages(each)) for each in asked if each.key not in kept]
        to_row = lambda call, found: judged_row(call.key, by_key[call.key].prediction, judge.model, found)  # noqa: E731
        make_calls(calls, judge, results, to_row, f"trial of {judge.model}")
        return results.rows()


def _messages(each: Question) -> list[dict[str, str]]:
    return judge_messages(each.sample, each.prediction, each.truth, prediction_first=each.prediction_first)


def _content(asked: Sequence[Question]) -> str:
    return hashlib.sha256("\x1e".join(map(repr, asked)).encode()).hexdigest()[:12]


def _measures(
    asked: Sequence[Question], rows: Mapping[Key, Mapping[str, Any]], plan: Resampling, second: SecondJudge
) -> dict[str, Estimate | None]:
    usable = [Answer(each, _rubric(rows[each.key])) for each in asked if not rows[each.key]["failed"]]
    answers: dict[str, dict[Key, Answer]] = {}
    for answer in usable:
        answers.setdefault(answer.question.kind, {})[answer.question.sample.key] = answer
    return {
        **_sensitivity(answers, plan),
        **_stability(answers, plan),
        **_gains(answers, plan),
        "unusable_share": mean(_sample(asked, (float(rows[each.key]["failed"]) for each in asked)), plan),
        "kappa": _agreement(usable, second, plan),
    }


def _sensitivity(answers: Answers, plan: Resampling) -> dict[str, Estimate | None]:
    gold = list(answers.get(GOLD, {}).values())
    highest = _sample([each.question for each in gold], (min(each.rubric.values()) == HIGHEST for each in gold))
    cost = _differences(answers, GOLD, PLANTED)
    return {
        "gold_maximum_share": measured(mean, highest, plan=plan),
        "planted_cost": measured(_average, cost, plan=plan),
        "planted_share": measured(mean, _with(cost, cost.values > 0), plan=plan),
        "wrong_cost": measured(_average, _differences(answers, GOLD, WRONG), plan=plan),
    }


def _stability(answers: Answers, plan: Resampling) -> dict[str, Estimate | None]:
    again = _joined([_differences(answers, f"{kind}-{AGAIN}", kind) for kind in ASKED_AGAIN])
    swapped = [_differences(answers, f"{kind}-{SWAPPED}", kind) for kind in ASKED_SWAPPED]
    return {
        "retest_spread": measured(_average, _with(again, np.abs(again.values)), plan=plan),
        "retest_sd": measured(_standard_deviation, _with(again, again.values**2), plan=plan),
        "position_bias": measured(_mean_size, *swapped, plan=plan),
    }


def _gains(answers: Answers, plan: Resampling) -> dict[str, Estimate | None]:
    found: dict[str, Estimate | None] = {}
    for name in PROBES:
        gain = _differences(answers, name, WRONG)
        found[f"{name}_gain"] = measured(_average, gain, plan=plan)
        found[f"{name}_gaining_share"] = measured(mean, _with(gain, gain.values > 0), plan=plan)
        found[f"{name}_clear_gain_share"] = measured(mean, _with(gain, gain.values > CLEAR_ABOVE), plan=plan)
    return found


def _agreement(usable: Sequence[Answer], second: SecondJudge, plan: Resampling) -> Estimate | None:
    theirs = [second(each.question.prediction, each.question.truth) for each in usable]
    clusters = [_trajectory(each.question) for each in usable]
    return kappas([each.rubric for each in usable], theirs, clusters, plan)[TOTAL]


def _differences(answers: Answers, kind: str, against: str) -> Sample:
    """Points of one question less those of another, for the samples of which both were answered."""
    one, other = answers.get(kind, {}), answers.get(against, {})
    shared = [key for key in one if key in other]
    return _sample([one[key].question for key in shared], (one[key].points - other[key].points for key in shared))


def _sample(asked: Sequence[Question], values: Iterable[float]) -> Sample:
    return Sample(
        np.array(list(values), dtype=np.float64),
        np.array([_trajectory(each) for each in asked], dtype=np.str_),
        np.zeros(len(asked), dtype=np.int64),
    )


def _with(sample: Sample, values: Any) -> Sample:
    return Sample(np.asarray(values, dtype=np.float64), sample.clusters, sample.seeds)


def _joined(samples: Sequence[Sample]) -> Sample:
    columns = zip(*((each.values, each.clusters, each.seeds) for each in samples), strict=True)
    return Sample(*map(np.concatenate, columns))


def _trajectory(each: Question) -> str:
    return "/".join(each.sample.key[:2])


def _average(sample: Sample, plan: Resampling) -> Estimate:
    return estimate(lambda values: values, [sample], plan)


def _standard_deviation(squared: Sample, plan: Resampling) -> Estimate:
    """Of one answer: the difference of two has twice its variance."""
    return estimate(lambda values: np.sqrt(values / 2), [squared], plan)


def _mean_size(*samples_and_plan: Any) -> Estimate:
    """Mean over kinds of the size of their mean change: a rise of one does not hide a fall of another."""
    *samples, plan = samples_and_plan
    return estimate(_size, samples, plan)


def _size(*means: Floats) -> Floats:
    return np.mean(np.abs(np.stack(means)), axis=0)


def _rubric(row: Mapping[str, Any]) -> Rubric:
    return {name: row[name] for name in DIMENSIONS}
