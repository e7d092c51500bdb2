"""Who is in use: the record that Dagster keeps of each change of champion, and that the sensors read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from agentworld_dag.monitoring.watch import Reference

ONE_SIDED_90 = 1.2816
WORLD_MODEL, AGENT = "world-model", "agent-policy"
"""The two registered models."""
ROUND, SEED = "agentworld/round", "agentworld/seed"
ASSET = "dagster/asset_key"
"""Tag of a version: the asset whose checkpoint it holds."""
FINAL_STAGES = {
    "world_model_cpt": "world_model_rl",
    "world_model_sft": "world_model_rl",
    "agent_base": "agent_sim_rl",
}
"""Stages that are registered on the way -> the one that ends their line: only that can be in use."""
MADE = "agentworld/made/"
"""Prefix of a version's tags that name the fingerprints of the round's artifacts that belong to it."""
SCORES = "scores.json"
"""File of a probe or a comparison: the exact share of each episode, by domain."""


@dataclass(frozen=True)
class Champion:
    model: str
    version: int
    round: str
    seed: int
    made: Mapping[str, str]
    """Fingerprints of the round's artifacts that belong to it, by asset."""
    reference: Mapping[str, Sequence[float]]
    """Domain -> how exact it is and the lower bound of that, as promoted; empty for an agent."""
    decision: str
    """`promoted`, `rolled_back` or `moved`."""
    why: str
    who: str
    previous: int | None
    """The version before it, with which it is compared in its first probes.

    None where nothing is taken back: after a roll-back, and where a person moved the alias.
    """
    at: float = field(default=0.0)
    """Epoch seconds."""

    @property
    def name(self) -> str:
        """Names it for people and in run keys."""
        return f"{self.model}-{self.version}"

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def reference_in(self, domain: str) -> Reference | None:
        """What its probes are compared with; None where it was never measured."""
        found = self.reference.get(domain)
        return Reference(self.name, found[0], found[1]) if found else None


def read_champion(record: str) -> Champion:
    return Champion(**json.loads(record))


def reference_of(scores: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    """Domain -> mean exact share and its one-sided 90 % lower bound, from the exact share of each episode."""
    return {domain: _bounded(values) for domain, values in scores.items() if len(values) > 1}


def _bounded(values: Sequence[float]) -> tuple[float, float]:
    found = np.asarray(values, dtype=np.float64)
    mean = float(found.mean())
    return mean, mean - ONE_SIDED_90 * float(found.std(ddof=1)) / float(np.sqrt(len(found)))
