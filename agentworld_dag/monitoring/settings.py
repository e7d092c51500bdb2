"""The preset's section `watch`: when a drop in the champion's fidelity asks for another round."""

from typing import Annotated

from pydantic import Field

from agentworld_dag.settings import Count, Rate, Section, Share

Open = Annotated[float, Field(gt=0.0, lt=1.0)]


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
