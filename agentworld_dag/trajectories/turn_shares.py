"""What a filter may have biased: shares of turns, measured before and after cleaning.

A model trained on too few errors and no-op turns grows optimistic (paper
digest, sections 1 and 8), so these are reported and never corrected here.
"""

import re
from collections import Counter
from collections.abc import Iterable

from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Trajectory, Turn

MEASURED = ("error", "no_change", "empty_action")

_FAILED_PROMPT = re.compile(r"\[\d+\]\$\s*\Z")


def failed(turn: Turn) -> bool:
    """Whether the prompt that ends the observation shows an exit code (`~/docs[1]$`)."""
    return bool(_FAILED_PROMPT.search(turn.observation or ""))


def turn_counts(trajectories: Iterable[Trajectory]) -> Counter[str]:
    """`count`, the number of turns, and how many of them are each name in `MEASURED`."""
    counts = Counter[str]()
    for trajectory in trajectories:
        for index, turn in enumerate(trajectory.turns):
            counts["error"] += failed(turn)
            counts["no_change"] += turn.state is not None and turn.state == state_before(trajectory, index)
            counts["empty_action"] += not turn.action.strip()
            counts["count"] += 1
    return counts


def turn_shares(counts: Counter[str]) -> dict[str, float]:
    """`count` and `{name}_share`, from `turn_counts` added up."""
    total = max(counts["count"], 1)
    return {"count": counts["count"], **{f"{name}_share": counts[name] / total for name in MEASURED}}


class Contradictions:
    """State: hashes of (state, action) pairs seen so far, and whether one was answered in more than one way.

    No simulator that sees the state alone can be right on both answers, so this bounds its exact match: hidden
    state, or chance.
    """

    def __init__(self) -> None:
        self._answers: dict[int, int] = {}
        self._repeated: set[int] = set()
        self._contradicted: set[int] = set()

    def add(self, trajectories: Iterable[Trajectory]) -> None:
        for trajectory in trajectories:
            for index, turn in enumerate(trajectory.turns):
                self._see(hash((state_before(trajectory, index), turn.action)), hash((turn.observation, turn.state)))

    @property
    def share(self) -> float:
        """Of the pairs that were seen more than once, those with two answers."""
        return len(self._contradicted) / max(len(self._repeated), 1)

    def _see(self, pair: int, answer: int) -> None:
        if pair not in self._answers:
            self._answers[pair] = answer
            return
        self._repeated.add(pair)
        if self._answers[pair] != answer:
            self._contradicted.add(pair)
