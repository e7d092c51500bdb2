"""What a filter may have biased: shares of turns, measured before and after cleaning.

A model trained on too few errors and no-op turns grows optimistic (paper
digest, sections 1 and 8), so these are reported and never corrected here.
"""

import re
from collections import Counter
from collections.abc import Sequence

from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Trajectory, Turn

MEASURED = ("error", "no_change", "empty_action")

_FAILED_PROMPT = re.compile(r"\[\d+\]\$\s*\Z")


def failed(turn: Turn) -> bool:
    """Whether the prompt that ends the observation shows an exit code (`~/docs[1]$`)."""
    return bool(_FAILED_PROMPT.search(turn.observation or ""))


def turn_shares(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """`count`, the number of turns, and `{name}_share` of them for each name in `MEASURED`."""
    counts = Counter[str]()
    for trajectory in trajectories:
        for index, turn in enumerate(trajectory.turns):
            counts["error"] += failed(turn)
            counts["no_change"] += turn.state is not None and turn.state == state_before(trajectory, index)
            counts["empty_action"] += not turn.action.strip()
            counts["count"] += 1
    total = max(counts["count"], 1)
    return {"count": counts["count"], **{f"{name}_share": counts[name] / total for name in MEASURED}}


def contradiction_share(trajectories: Sequence[Trajectory]) -> float:
    """Share of repeated (state, action) pairs answered in more than one way: hidden state, or chance.

    No simulator that sees the state alone can be right on both answers, so this bounds its exact match.
    """
    answers: dict[tuple[str, str], Counter[tuple[str | None, str | None]]] = {}
    for trajectory in trajectories:
        for index, turn in enumerate(trajectory.turns):
            pair = (state_before(trajectory, index), turn.action)
            answers.setdefault(pair, Counter())[turn.observation, turn.state] += 1
    repeated = [seen for seen in answers.values() if seen.total() > 1]
    return sum(len(seen) > 1 for seen in repeated) / max(len(repeated), 1)
