"""Real sessions with what the world model said to the same actions, for a person to read. How they are shown, and
what counts as exact, is decided elsewhere.
"""

from dataclasses import dataclass

from agentworld_dag.errors import EvaluationError


@dataclass(frozen=True)
class RolloutTurn:
    action: str
    predicted: str | None
    """The candidate's observation; None where its answer was unusable."""
    truth: str
    exact: bool
    """Whether the candidate's observation is the true one."""
    champion: str | None = None
    """The champion's observation; None where its answer was unusable, and before there is a champion."""


@dataclass(frozen=True)
class Rollout:
    title: str
    """Names the rollout among those of one version."""
    initial_state: str
    turns: tuple[RolloutTurn, ...]

    def __post_init__(self) -> None:
        if not self.turns:
            raise EvaluationError(f"rollout {self.title!r} has no turn; expected one at least, leave it out")

    @property
    def exact_turns(self) -> int:
        return sum(turn.exact for turn in self.turns)

    @property
    def exact_share(self) -> float:
        return self.exact_turns / len(self.turns)
