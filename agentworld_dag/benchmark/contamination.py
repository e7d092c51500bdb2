"""How much of a benchmark a model may have seen in training (paper.md metric 21; the paper reports no such audit).

Two tests: the trajectory's id occurs in training, or its words do. A word of a
sample counts as seen when it lies in a run of `NGRAM` words that some training
trajectory holds as well; a sample is clean when less than `CLEAN_BELOW` of its
words are seen. Words are those of the turns up to the target, the truth
included, without the lines that only mark them up; system prompts are left
out, because all trajectories of a domain share theirs. A sample shorter than
one run cannot be told from chance and counts as clean. Training text is
streamed: memory follows the benchmark. The match is exact, so no MinHash: what
was rephrased is not found.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agentworld_dag.benchmark.samples import BenchSample, Key, placed

NGRAM = 13
"""As in the GPT-3 paper, section C."""
CLEAN_BELOW = 0.2
"""As in the Llama 2 paper, appendix A.6."""
_MARKUP = re.compile(r"^(### .*|\*\*[^*]+:\*\*|`{3,}\w*)$", re.MULTILINE)
_WORD = re.compile(r"\S+")

Gram = tuple[str, ...]


@dataclass(frozen=True)
class TrainingText:
    """One training trajectory as the audit reads it."""

    id: str
    text: str
    """Actions and observations in order, however they are marked up."""


@dataclass(frozen=True)
class Exposure:
    """What training may have shown of one sample."""

    sample: Key
    id_seen: bool
    words: int
    words_seen: int

    @property
    def seen_share(self) -> float:
        return self.words_seen / self.words if self.words else 0.0

    @property
    def clean(self) -> bool:
        return not self.id_seen and self.seen_share < CLEAN_BELOW


def exposures(samples: Sequence[BenchSample], training: Iterable[TrainingText]) -> list[Exposure]:
    """The exposure of each sample, in order."""
    words = [_words(_text(sample)) for sample in samples]
    wanted = {gram for each in words for gram in _grams(each)}
    ids: set[str] = set()
    seen: set[Gram] = set()
    for trajectory in training:
        ids.add(trajectory.id)
        seen.update(gram for gram in _grams(_words(trajectory.text)) if gram in wanted)
    return [
        Exposure(sample.key, sample.id in ids, len(each), _covered(each, seen))
        for sample, each in zip(samples, words, strict=True)
    ]


def audit_rows(found: Sequence[Exposure]) -> list[dict[str, Any]]:
    """One row per sample, for `bench score --audit`."""
    return [
        placed(each.sample) | {"id_seen": each.id_seen, "seen_share": round(each.seen_share, 4), "clean": each.clean}
        for each in found
    ]


def _text(sample: BenchSample) -> str:
    pairs = zip(sample.actions, sample.observations, strict=True)
    return "\n".join(f"{action}\n{observation}" for action, observation in pairs)


def _words(text: str) -> Gram:
    return tuple(_WORD.findall(_MARKUP.sub("", text)))


def _grams(words: Gram) -> Iterable[Gram]:
    return (words[start : start + NGRAM] for start in range(len(words) - NGRAM + 1))


def _covered(words: Gram, seen: set[Gram]) -> int:
    """How many words lie in at least one seen run."""
    covered, end = 0, 0
    for start, gram in enumerate(_grams(words)):
        if gram in seen:
            covered += start + NGRAM - max(start, end)
            end = start + NGRAM
    return covered
