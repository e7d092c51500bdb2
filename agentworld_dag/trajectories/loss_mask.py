"""The paper's turn-level information-theoretic loss mask (section 3.2, Table 3).

A turn whose observation mostly repeats its action teaches little; its class
says how likely it stays in the loss. A masked turn remains context. With W
the lower-cased word sets of action and observation:

    OL = |Wa & Wo| / |Wa|    Nov = |Wo - Wa| / |Wo|    R = chars(obs) / chars(act)

Table 3 leaves holes; they are closed here as follows.

- Rules overlap. Below Nov 50 % the lowest share wins: echo, boilerplate,
  transform, other. From 50 % on, where all are kept in full, the most specific
  wins: expansion, retrieval, action, other. The halves cannot meet.
- Empty action (a bare Enter, a wait): OL and R are undefined and nothing can
  be echoed, so the class is `other` and the turn stays. A simulator that never
  learns what nothing does invents an answer to it.
- Observation without words (a bare prompt): nothing is novel, Nov = 0.
- "Short" has no threshold: here at most 80 characters, one line of a terminal.
  It only moves turns between classes that are kept in full.
- Words are runs of letters, digits and underscore.
- "Keep" is the probability that the whole turn stays in the loss, not a share
  of its tokens: the text says that turns are excluded.
- `Jac` is defined by the paper and used by no rule; it is left out.

Applied to CPT only. Which tokens belong to a turn is the trainer's business.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from agentworld_dag.trajectories.schema import Trajectory

TurnClass = Literal["echo", "boilerplate", "transform", "retrieval", "expansion", "action", "other"]

KEEP: dict[TurnClass, float] = {
    "echo": 0.05,
    "boilerplate": 0.10,
    "transform": 0.50,
    "retrieval": 1.0,
    "expansion": 1.0,
    "action": 1.0,
    "other": 1.0,
}
"""Probability that a turn of the class stays in the loss (paper Table 3)."""

SHORT_CHARS = 80
_WORD = re.compile(r"\w+")


def classify(action: str, observation: str) -> TurnClass:
    """The Table 3 class of one turn, holes closed as the module says."""
    if not action.strip():
        return "other"
    action_words, observation_words = _words(action), _words(observation)
    shared = len(action_words & observation_words)
    overlap = shared / len(action_words) if action_words else 0.0
    novelty = 1 - shared / len(observation_words) if observation_words else 0.0
    ratio = len(observation) / len(action)
    if novelty < 0.5:
        return _repeating(overlap, novelty, ratio)
    return _informative(overlap, novelty, ratio, short=len(observation) <= SHORT_CHARS)


def kept_turns(trajectory: Trajectory, seed: int) -> tuple[bool, ...]:
    """Per turn, whether it stays in the loss; the same for the same trajectory id and seed.

    A turn without an observation is never kept: there is nothing to predict.
    """
    return tuple(
        turn.observation is not None
        and _uniform(seed, trajectory.id, index) < KEEP[classify(turn.action, turn.observation)]
        for index, turn in enumerate(trajectory.turns)
    )


def mask_report(trajectories: Iterable[Trajectory], seed: int) -> dict[str, Any]:
    """Turns and kept turns per class, and the share of turns and of observation characters that are masked."""
    turns, kept, chars = Counter[str](), Counter[str](), Counter[bool]()
    for trajectory in trajectories:
        for turn, keep in zip(trajectory.turns, kept_turns(trajectory, seed), strict=True):
            name = classify(turn.action, turn.observation or "")
            turns[name] += 1
            kept[name] += keep
            chars[keep] += len(turn.observation or "")
    return {
        "turns": {name: turns[name] for name in KEEP},
        "kept": {name: kept[name] for name in KEEP},
        "masked_turn_share": 1 - kept.total() / max(turns.total(), 1),
        "masked_char_share": chars[False] / max(chars.total(), 1),
    }


def _repeating(overlap: float, novelty: float, ratio: float) -> TurnClass:
    """Novelty below 50 %."""
    if overlap >= 0.7 and novelty < 0.3:
        return "echo"
    if overlap >= 0.5:
        return "boilerplate"
    return "transform" if ratio < 1 else "other"


def _informative(overlap: float, novelty: float, ratio: float, short: bool) -> TurnClass:
    """Novelty of 50 % or more."""
    if overlap >= 0.5 and ratio > 1.5:
        return "expansion"
    if novelty >= 0.6 and ratio > 1:
        return "retrieval"
    return "action" if ratio <= 1 or short else "other"


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _uniform(seed: int, trajectory_id: str, turn_index: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"loss-mask:{seed}:{trajectory_id}:{turn_index}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48
