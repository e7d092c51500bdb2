"""What a model card tells: where a version comes from, how it scores beside its reference, and what it cost.

Gathering the facts is not done here.
"""

from dataclasses import dataclass

from agentworld_dag.evaluation.intervals import Estimate


@dataclass(frozen=True)
class Lineage:
    dagster_run: str
    asset: str
    fingerprint: str
    """Of the inputs, settings and code that made the checkpoint; also its folder in the lake."""
    code_version: str
    fresh_trajectories: int
    """Recorded in this round."""
    replayed_trajectories: int
    """Taken from the rounds before it."""


@dataclass(frozen=True)
class Score:
    """One number of which more is better; None is not measured."""

    name: str
    candidate: Estimate | None
    reference: Estimate | None
    """The champion's, or, before there is a champion, what copying the last observation scores."""
    difference: Estimate | None
    """Candidate minus reference, paired by trajectory."""


@dataclass(frozen=True)
class Cost:
    """Of the round, up to the candidate; None is not measured."""

    seconds: float
    gpu_seconds: float | None
    tokens: int | None
    """Read and written by models, in training and in answering."""
    money: float | None
    currency: str = "USD"


@dataclass(frozen=True)
class ModelFacts:
    model: str
    round: str
    seed: int
    champion: int | None
    """The version that the candidate is compared with; None while there is none."""
    start: str
    """What the candidate was trained from, in words."""
    baseline: str
    """What it is compared with while there is no champion, in words."""
    lineage: Lineage
    scores: tuple[Score, ...]
    """A card of up to 14 fits into MLflow's description."""
    commands: tuple[Score, ...]
    """One score for each command, under its name."""
    cost: Cost
