"""How sure a world model is of what it answers, before anybody checks (paper.md metric 13).

From log-probabilities: how likely the model itself holds the answer it gave,
reasoning included, in one forward pass over prompt and answer. From
self-consistency: how often it answers the same when sampled. Left out:
confidence in words, which a model of this size cannot give.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

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
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]) + len(whole[i]))
    found: dict[int, Likelihood] = {}
    for start in range(0, len(order), engine.max_batch):
        chosen = order[start : start + engine.max_batch]
        logs = _log_probabilities(engine, [prompts[i] for i in chosen], [whole[i] for i in chosen])
        found |= zip(chosen, map(_likelihood, logs), strict=True)
    return [found[i] for i in range(len(prompts))]


def agreement(answer: str | None, samples: Sequence[str | None]) -> float:
    """Share of the samples that equal the answer; 0 for an unusable answer, with which nothing can agree."""
    return 0.0 if answer is None else sum(sample == answer for sample in samples) / len(samples)


def _likelihood(logs: list[float]) -> Likelihood:
    return Likelihood(math.exp(sum(logs)), math.exp(sum(logs) / len(logs)))


@torch.inference_mode()
def _log_probabilities(engine: Engine, prompts: list[list[int]], answers: list[list[int]]) -> list[list[float]]:
    """Log-probability of each answer token given all before it. Padded on the left: answers end at one edge."""
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    width, longest = max(map(len, rows)), max(map(len, answers))
    pad, device = engine.tokenizer.pad_token_id, engine.model.device
    tokens = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    out = engine.model(tokens, attention_mask=mask, position_ids=positions, logits_to_keep=longest + 1)
    logs = out.logits[:, :-1].float().log_softmax(-1)
    given = logs.gather(2, tokens[:, -longest:, None])[..., 0].tolist()
    return [line[longest - len(answer) :] for line, answer in zip(given, answers, strict=True)]
