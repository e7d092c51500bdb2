"""What a reviewer gets with a candidate: a model card, pictures, tables, and sessions to read.

Everything comes from the artifacts of the round; nothing is measured here.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from agentworld_dag.artifacts import read_result
from agentworld_dag.assets.agent import SIM_RL
from agentworld_dag.assets.champions import records
from agentworld_dag.assets.world_model import RL
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL, Champion
from agentworld_dag.monitoring.rollouts import Rollout, RolloutTurn

Folders = Mapping[str, Path]
"""Artifacts of the round by asset."""
SHOWN_FILES = {
    "candidate_comparison": ("comparison.json", "comparison.png", "rollouts.json"),
    "policy_comparison": ("comparison.json", "comparison.png", "episodes.md"),
    "leaderboard": ("leaderboard.md",),
}
"""What a reviewer finds beside the card, by asset."""


def world_model_card(context: dg.AssetExecutionContext, seed: int, folders: Folders) -> str:
    """The candidate beside the champion it started from."""
    from agentworld_dag.evaluation import card_facts
    from agentworld_dag.evaluation.model_card import model_card
    from agentworld_dag.evaluation.model_facts import ModelFacts
    from agentworld_dag.trajectories.round_plan import read_plan

    asset, comparison = "world_model_rl", folders["candidate_comparison"]
    start = read_plan(folders["round_plan"]).champion
    facts = ModelFacts(
        model=WORLD_MODEL,
        round=context.partition_key,
        seed=seed,
        champion=_number(start.version) if start else None,
        start="the weights of the champion" if start else "the preset's own start",
        baseline="copying the last observation",
        lineage=card_facts.lineage_of(
            context.run.run_id, asset, folders[asset], RL.code_version, folders["trajectory_splits"]
        ),
        scores=card_facts.world_model_scores(comparison),
        commands=card_facts.command_scores(comparison),
        cost=card_facts.cost_of(asset, folders[asset]),
    )
    return model_card(facts)


def agent_card(context: dg.AssetExecutionContext, seed: int, folders: Folders) -> str:
    """The candidate beside the champion agent."""
    from agentworld_dag.evaluation import card_facts
    from agentworld_dag.evaluation.model_card import model_card
    from agentworld_dag.evaluation.model_facts import ModelFacts

    asset, comparison = "agent_sim_rl", folders["policy_comparison"]
    champion = _compared_agent(context, comparison)
    facts = ModelFacts(
        model=AGENT,
        round=context.partition_key,
        seed=seed,
        champion=champion.version if champion else None,
        start=f"demonstrations, by practice in the simulator of {context.partition_key}",
        baseline="its start before practice",
        lineage=card_facts.lineage_of(
            context.run.run_id, asset, folders[asset], SIM_RL.code_version, folders["trajectory_splits"]
        ),
        scores=card_facts.policy_scores(comparison),
        commands=(),
        cost=card_facts.cost_of(asset, folders[asset]),
    )
    return model_card(facts)


def rollouts(comparison: Path) -> list[Rollout]:
    """Sessions that a comparison chose to be read."""
    found = json.loads((comparison / "rollouts.json").read_text())
    return [Rollout(each["title"], each["initial_state"], _turns(each["turns"])) for each in found]


def _compared_agent(context: dg.AssetExecutionContext, comparison: Path) -> Champion | None:
    """The champion that the comparison was made with: another may be in use by now."""
    used = Path(read_result(comparison)["inputs"].get("champion_agent", "")).name
    known = records(context.instance, AGENT)
    return next((champion for champion in known if used and champion.made.get("agent_sim_rl") == used), None)


def _turns(found: list[dict[str, object]]) -> tuple[RolloutTurn, ...]:
    return tuple(RolloutTurn(**turn) for turn in found)  # type: ignore[arg-type]


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])
