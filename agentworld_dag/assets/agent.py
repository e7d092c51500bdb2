"""Group `agent`: one policy, practised in simulation and in the real shell, and its controls.

Three starts get equal demonstrations and equal updates (base, warm-up,
scratch); three practices go on from the base (simulator, real shell, real
shell on a scarce budget). They differ in one thing each.
"""

from functools import partial

import dagster as dg

from agentworld_dag.assets.pictures import training_curve
from agentworld_dag.assets.presentation import Claim, materialized, number
from agentworld_dag.assets.recipe import ANSWERING, Artifact, Recipe, make
from agentworld_dag.assets.world_model import COLLAPSED_SHARE, base_model, simulator, world_model_rl, world_model_sft
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Jobs

REPEATED_SHARE = 0.5
"""A policy that sends one command more often than this has given up on most tasks."""

agent_asset = partial(dg.asset, group_name="agent", partitions_def=rounds)

IMITATION_SECTIONS = ("model", "agent.imitation", "agent.max_turns", "agent.max_new_tokens")
PRACTICE_SECTIONS = ("model", "agent.rl", "agent.max_turns", "agent.max_new_tokens", "collection", *ANSWERING)

DEMONSTRATIONS = Recipe(
    "agentworld_dag.agents.demonstrations",
    ("agent.demonstrations", "agent.demonstration_noise", "agent.max_turns", "collection"),
    tracked=False,
)


def imitation(start: str) -> Recipe:
    return Recipe("agentworld_dag.agents.imitation", IMITATION_SECTIONS, renamed={start: "start"})


def practice(arm: str) -> Recipe:
    return Recipe("agentworld_dag.agents.agent_rl", PRACTICE_SECTIONS, options={"arm": arm})


BASE, WARMUP, SCRATCH = imitation("world_model_sft"), imitation("world_model_rl"), imitation("base_model")
SIM_RL, REAL_RL, REAL_RL_SCARCE = practice("sim_rl"), practice("real_rl"), practice("real_rl_scarce")


def no_collapse(asset: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        "policy_did_not_collapse",
        asset=asset,
        description=(
            f"Success in the last quarter is at least {COLLAPSED_SHARE:.0%} of the first quarter's, and no single "
            f"command is more than {REPEATED_SHARE:.0%} of what the policy sends."
        ),
    )


@agent_asset(kinds={"python", "bash"}, code_version=DEMONSTRATIONS.code_version, op_tags={"dagster/priority": "5"})
def agent_demonstrations(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """A few noisy demonstrations of training tasks, recorded in the real shell from a scripted expert."""
    return materialized(make(context, DEMONSTRATIONS, preset, lake, jobs))


@agent_asset(
    deps=[world_model_sft, agent_demonstrations],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    code_version=BASE.code_version,
    op_tags={"dagster/priority": "8"},
)
def agent_base(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """The policy every practice arm starts from: the SFT world model after imitation of the demonstrations."""
    artifact = make(context, BASE, preset, lake, jobs)
    return materialized(artifact, loss_curve=training_curve(artifact, "loss"))


@agent_asset(
    deps=[world_model_rl, agent_demonstrations],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    code_version=WARMUP.code_version,
    op_tags={"dagster/priority": "4"},
)
def agent_warmup(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """Imitation started from the finished world model: what modelling the world gives a policy (paper's warm-up)."""
    artifact = make(context, WARMUP, preset, lake, jobs)
    return materialized(artifact, loss_curve=training_curve(artifact, "loss"))


@agent_asset(
    deps=[base_model, agent_demonstrations],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    code_version=SCRATCH.code_version,
    op_tags={"dagster/priority": "4"},
)
def agent_scratch(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """Imitation started from untrained weights, with the same demonstrations and updates: the warm-up's control."""
    artifact = make(context, SCRATCH, preset, lake, jobs)
    return materialized(artifact, loss_curve=training_curve(artifact, "loss"))


@agent_asset(
    deps=[agent_base, simulator],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    code_version=SIM_RL.code_version,
    op_tags={"dagster/priority": "9"},
    check_specs=[no_collapse("agent_sim_rl")],
)
def agent_sim_rl(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """The base policy after GRPO inside the simulator, with not one further real step.

    Success while training is the goal checker on the simulator's own state; what it is worth is measured in the real
    shell, by `real_env_evaluation`.
    """
    artifact = make(context, SIM_RL, preset, lake, jobs)
    return materialized(artifact, [did_not_collapse(artifact)], success_curve=training_curve(artifact, "success"))


@agent_asset(
    deps=[agent_base],
    kinds={"pytorch", "huggingface", "bash"},
    pool="gpu",
    code_version=REAL_RL.code_version,
    op_tags={"dagster/priority": "3"},
    check_specs=[no_collapse("agent_real_rl")],
)
def agent_real_rl(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """The twin of `agent_sim_rl` in the real shell, at equal gradient steps: the price of simulation."""
    artifact = make(context, REAL_RL, preset, lake, jobs)
    return materialized(artifact, [did_not_collapse(artifact)], success_curve=training_curve(artifact, "success"))


@agent_asset(
    deps=[agent_base],
    kinds={"pytorch", "huggingface", "bash"},
    pool="gpu",
    code_version=REAL_RL_SCARCE.code_version,
    op_tags={"dagster/priority": "2"},
    check_specs=[
        dg.AssetCheckSpec(
            "budget_was_kept",
            asset="agent_real_rl_scarce",
            description="The real steps spent exceed the preset's budget by less than one training step.",
        )
    ],
)
def agent_real_rl_scarce(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """GRPO in the real shell that stops when the preset's small budget of real steps is spent."""
    artifact = make(context, REAL_RL_SCARCE, preset, lake, jobs)
    agent = preset.load(context.partition_key).agent
    spent, steps = number(artifact, "real_steps"), number(artifact, "steps")
    one_step = agent.rl.tasks_per_step * agent.rl.group_size * agent.max_turns
    evidence = {"real_steps": spent, "budget": agent.rl.scarce_real_steps, "gradient_steps": steps}
    kept = ("budget_was_kept", 0 < spent < agent.rl.scarce_real_steps + one_step, evidence)
    return materialized(artifact, [kept], success_curve=training_curve(artifact, "success"))


def did_not_collapse(artifact: Artifact) -> Claim:
    first, last = number(artifact, "first_quarter/success"), number(artifact, "last_quarter/success")
    repeated = number(artifact, "last_quarter/top_action_share")
    holds = last >= COLLAPSED_SHARE * first and repeated <= REPEATED_SHARE
    evidence = {"first_quarter": first, "last_quarter": last, "top_action_share": repeated}
    return "policy_did_not_collapse", holds, evidence | {"lowest_entropy": number(artifact, "lowest_entropy")}
