"""The preset's sections `probe`, `review` and `watch`: how a model in use is watched, and when it is replaced."""

from typing import Annotated

from pydantic import Field

from agentworld_dag.rounds import EPISODES_PER_ROUND
from agentworld_dag.settings import Count, Rate, Section, Share

EPISODES_PER_PROBE = 1_000
"""Of the numbers that name episodes and tasks, so that no two probes ask the same one."""

Open = Annotated[float, Field(gt=0.0, lt=1.0)]
OfProbe = Annotated[int, Field(gt=0, le=EPISODES_PER_PROBE)]
OfComparison = Annotated[int, Field(gt=0, le=EPISODES_PER_ROUND)]


class Watch(Section):
    tolerance: Share
    """How far below its reference the champion may be without an alarm, in points of the exact share."""
    false_alarm_share: Open
    """Largest share of false alarms in 100 probes without a drop."""
    least_episodes: Count
    """Fewest episodes of a probe that counts."""
    quiet_share: Open
    """An alarm holds until the evidence has fallen to this share of what raises one."""
    cool_down_h: Annotated[float, Field(ge=0.0)]
    """Least hours between two retrainings."""
    retrainings_per_week: Count
    gpu_hours_per_week: Rate
    """No retraining is started once the week's have cost this much."""


class Probe(Section):
    """How much of the real environment one probe asks."""

    episodes: OfProbe
    """Fresh real episodes, by the policies that record training sessions."""
    reference_episodes: OfComparison
    """The same for a candidate under review: what it is right in then is its reference as champion."""
    free_running_episodes: Count
    """Of these episodes, replayed on the simulator's own answers."""
    tasks: OfProbe
    """Fresh tasks for the champion agent, and for a candidate."""


class Review(Section):
    """What happens to a candidate."""

    auto_promote: bool
    """Approve without a person, if every blocking check of its round passed."""
    regression_probes: Count
    """Probes in which a new champion is measured against the one before it."""
    regression_confidence: Open
    """That a champion as good as the one before it is not rolled back, over all these probes."""
