"""Stage `heldout_benchmark`: the benchmark of our own held-out sessions, audited against everything trained on.

    python -m agentworld_dag.benchmark.heldout --config infra/presets/tiny.yaml \
        --input trajectory_splits=DIR --out DIR

`data` holds samples in the official layout, `checks` the rule checks; both are
ordinary `agentworld bench` folders, so any endpoint can be asked the same.
Turns are drawn evenly over all held-out turns and not by the paper's rule
(first, last, three between): a share of right answers then speaks for whole
sessions. `audit.jsonl` says which samples training may have shown.
"""

from dataclasses import dataclass

from agentworld_dag.benchmark.checks import Check
from agentworld_dag.benchmark.samples import Key
from agentworld_dag.simulator.teacher_forced import Place

DATA, CHECKS, AUDIT = "data", "checks", "audit.jsonl"


@dataclass(frozen=True)
class Suite:
    """The rule checks and the turns they are about."""

    checks: tuple[Check, ...]
    places: tuple[Place, ...]
    """Each turn once, in the order its first check names it."""

    @property
    def keys(self) -> list[Key]:
        return [(place.trajectory.domain, place.trajectory.id, place.turn_index + 1) for place in self.places]
