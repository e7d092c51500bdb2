"""How sure a world model is of what it answers, before anybody checks (paper.md metric 13).

From log-probabilities: how likely the model itself holds the answer it gave,
reasoning included, in one forward pass over prompt and answer. From
self-consistency: how often it answers the same when sampled. Left out:
confidence in words, which a model of this size cannot give.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agentworld_dag.simulator.engine import Engine


@dataclass(frozen=True)
class Likelihood:
    """What a model holds of one answer, at temperature 1."""

    answer: float
    """Probability of the whole answer, its end token included."""
    token: float
    """Probability of the mean token: the geometric mean, so that long answers are not doubted for their length."""


def likelihoods(
    engine: Engine, prompts: Sequence[list[int]], answers: Sequence[list[int]], max_new_tokens: int
) -> list[Likelihood]:
    """One per answer. An answer of `max_new_tokens` ran out of room and has no end token."""
    end = engine.tokenizer.eos_token_id
    whole = [ids if len(ids) >= max_new_tokens else [*ids, end] for ids in answers]
    return [_likelihood(logs) for logs in engine.log_probabilities(prompts, whole, max_new_tokens)]


def agreement(answer: str | None, samples: Sequence[str | None]) -> float:
    """Share of the samples that equal the answer; 0 for an unusable answer, with which nothing can agree."""
    return 0.0 if answer is None else sum(sample == answer for sample in samples) / len(samples)


def _likelihood(logs: list[float]) -> Likelihood:
    return Likelihood(math.exp(sum(logs)), math.exp(sum(logs) / len(logs)))
