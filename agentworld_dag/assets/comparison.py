"""Group `evaluation`: a new model beside the one in use, on real sessions and tasks."""

from functools import partial

import dagster as dg

from agentworld_dag.assets.agent import agent_base, agent_sim_rl
from agentworld_dag.assets.champions import current, recorded
from agentworld_dag.assets.data import trajectory_splits
from agentworld_dag.assets.monitoring import artifact_of
from agentworld_dag.assets.presentation import materialized
from agentworld_dag.assets.recipe import ANSWERING, Recipe, failing_clearly, latest, make
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.assets.world_model import simulator
from agentworld_dag.monitoring.champion import AGENT, Champion
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Jobs

comparison_asset = partial(
    dg.asset,
    group_name="evaluation",
    partitions_def=rounds,
    op_tags={"dagster/priority": "4"},
    kinds={"pytorch", "bash"},
    pool="gpu",
)

CANDIDATE = Recipe(
    "agentworld_dag.evaluation.comparison",
    (
        "probe.episodes",
        "probe.reference_episodes",
        "probe.free_running_episodes",
        "evaluation.bootstrap_samples",
        "collection",
        *ANSWERING,
    ),
)
POLICY = Recipe(
    "agentworld_dag.evaluation.policy_comparison",
    ("model", "agent", "probe.tasks", "evaluation.bootstrap_samples", "collection", *ANSWERING),
)


@comparison_asset(deps=[simulator, trajectory_splits, round_plan], code_version=CANDIDATE.code_version)
def candidate_comparison(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """The round's simulator beside the champion it started from, on the same real sessions.

    Sessions recorded now, those this round held out, and those that earlier rounds did. In the first round, beside
    copying the last observation.
    """
    return materialized(make(context, CANDIDATE, preset, lake, jobs))


@comparison_asset(deps=[agent_base, agent_sim_rl], code_version=POLICY.code_version)
def policy_comparison(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """The round's agent beside the champion agent and beside its own start, on the same fresh real tasks."""
    with failing_clearly():
        champion = champion_agent(context, preset, lake)
        others = {"champion_agent": artifact_of(champion, lake)} if champion else {}
    return materialized(make(context, POLICY, preset, lake, jobs, others))


def champion_agent(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake) -> Champion | None:
    """The champion, or the one before it where the round's own agent is in use by now: none is compared with itself."""
    champion = current(context.instance, AGENT)
    own = latest(context, "agent_sim_rl", lake, preset.seed).name
    if champion is None or champion.made.get("agent_sim_rl") != own:
        return champion
    return recorded(context.instance, AGENT, champion.previous) if champion.previous else None
