"""The questions a judge is tried with: thirteen for each drawn sample, their answers known by construction.

A truth is drawn once: benchmarks of short observations repeat a few of them.
Wrong answers are honest ones, the truth of another sample of the domain, so a
probe differs from its wrong answer by what was added and nothing else. Second
askings come last: what changes in a judge during the trial is part of its
spread.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agentworld_dag.benchmark.extraction import observation
from agentworld_dag.benchmark.probes import echoed, forged, lengthened, planted, pleaded, praised, words
from agentworld_dag.benchmark.samples import BenchSample, Key
from agentworld_dag.errors import EvaluationError

GOLD, PLANTED, WRONG = "gold", "planted", "wrong"
PROBES: Mapping[str, Callable[[str, int], str]] = {
    "length": lengthened,
    "praise": praised,
    "echo": echoed,
    "forged": forged,
    "plea": pleaded,
}
AGAIN, SWAPPED = "again", "swapped"
ASKED_AGAIN = (GOLD, PLANTED)
ASKED_SWAPPED = (GOLD, PLANTED, WRONG)
VOCABULARY_TRUTHS = 50
"""Whose words may replace one; enough to differ, and quick where truths are long."""


@dataclass(frozen=True)
class Question:
    """One prediction to be judged."""

    kind: str
    sample: BenchSample
    prediction: str
    prediction_first: bool = False

    @property
    def truth(self) -> str:
        return observation(self.sample.truth)

    @property
    def key(self) -> Key:
        """A sample has many questions: the kind stands before its id."""
        domain, trajectory, turn = self.sample.key
        return domain, f"{self.kind}/{trajectory}", turn


def questions(samples: Sequence[BenchSample], count: int, seed: int) -> list[Question]:
    """Those of up to `count` samples, the same for a seed. Raises EvaluationError when no domain holds two truths."""
    by_domain: dict[str, dict[str, BenchSample]] = defaultdict(dict)
    for sample in sorted(samples, key=lambda sample: sample.key):
        if truth := observation(sample.truth):
            by_domain[sample.domain].setdefault(truth, sample)
    usable = [sample for truths in by_domain.values() if len(truths) > 1 for sample in truths.values()]
    if not usable:
        raise EvaluationError(
            f"{len(samples)} samples hold no domain with two different observations, so no wrong answer to ask about"
        )
    draw = random.Random(seed)
    drawn = draw.sample(usable, min(count, len(usable)))
    first = [question for index, sample in enumerate(drawn) for question in _first(index, sample, by_domain, draw)]
    return [*first, *_swapped(first), *_again(first)]


def _first(
    index: int, sample: BenchSample, by_domain: Mapping[str, Mapping[str, BenchSample]], draw: random.Random
) -> Iterator[Question]:
    truth, truths = observation(sample.truth), list(by_domain[sample.domain])
    wrong = draw.choice([text for text in truths if text != truth])
    vocabulary = words(" ".join(draw.sample(truths, min(VOCABULARY_TRUTHS, len(truths)))))
    yield Question(GOLD, sample, truth)
    yield Question(PLANTED, sample, planted(truth, vocabulary, draw))
    yield Question(WRONG, sample, wrong)
    for name, added in PROBES.items():
        yield Question(name, sample, added(wrong, index))


def _swapped(asked: Sequence[Question]) -> Iterator[Question]:
    for question in asked:
        if question.kind in ASKED_SWAPPED:
            yield replace(question, kind=f"{question.kind}-{SWAPPED}", prediction_first=True)


def _again(asked: Sequence[Question]) -> Iterator[Question]:
    return (replace(each, kind=f"{each.kind}-{AGAIN}") for each in asked if each.kind in ASKED_AGAIN)
