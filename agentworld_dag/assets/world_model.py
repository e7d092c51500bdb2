"""Group `world_model`: from random or given weights to a simulator that passed its gate."""

from functools import partial

import dagster as dg

from agentworld_dag.assets.data import trajectory_splits
from agentworld_dag.assets.pictures import training_curve
from agentworld_dag.assets.presentation import materialized, number
from agentworld_dag.assets.recipe import ANSWERING, Recipe, make
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Jobs

world_model_asset = partial(
    dg.asset, group_name="world_model", partitions_def=rounds, op_tags={"dagster/priority": "9"}
)

BASE = Recipe("agentworld_dag.training.base_model", ("model",))
CPT = Recipe("agentworld_dag.training.cpt", ("model", "cpt", "collection.seed"))
SFT = Recipe("agentworld_dag.training.sft", ("model", "sft"))
RL = Recipe("agentworld_dag.training.world_model_rl", ("model", "world_model_rl"))
SIMULATOR = Recipe("agentworld_dag.simulator.bundle", ("model", "simulator", *ANSWERING))

COLLAPSED_SHARE = 0.9
"""A policy whose last reward falls below this share of its first is called collapsed."""


@world_model_asset(deps=[trajectory_splits, round_plan], kinds={"pytorch"}, pool="gpu", code_version=BASE.code_version)
def base_model(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """The starting weights and the tokenizer.

    A later round starts from the champion's. The first, on the tiny preset, from a small Qwen3 with seeded random
    weights and a tokenizer trained on the CPT split; with `model.checkpoint` set, from a real Qwen3 checkpoint.
    """
    return materialized(make(context, BASE, preset, lake, jobs))


@world_model_asset(
    deps=[base_model, trajectory_splits],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    code_version=CPT.code_version,
    check_specs=[
        dg.AssetCheckSpec(
            "mask_covers_observations_only",
            asset="world_model_cpt",
            blocking=True,
            description="The text under the loss, decoded, is exactly the observations the mask keeps.",
        )
    ],
)
def world_model_cpt(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """World model after continual pre-training on whole trajectories.

    The loss covers observations only, less the turns that the information-theoretic mask drops (paper Table 3).
    """
    artifact = make(context, CPT, preset, lake, jobs)
    strays = number(artifact, "labels_outside_observations")
    return materialized(
        artifact,
        [("mask_covers_observations_only", strays == 0, {"stray_characters": strays})],
        loss_curve=training_curve(artifact, "loss"),
    )


@world_model_asset(
    deps=[world_model_cpt, trajectory_splits],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    code_version=SFT.code_version,
)
def world_model_sft(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """World model after supervised next-state prediction with reasoning.

    The reasoning is the true change of state, taken from the recorded real state: right by construction. Loss on the
    assistant side only.
    """
    artifact = make(context, SFT, preset, lake, jobs)
    return materialized(artifact, loss_curve=training_curve(artifact, "loss"))


@world_model_asset(
    deps=[world_model_sft, trajectory_splits],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    code_version=RL.code_version,
    check_specs=[
        dg.AssetCheckSpec(
            "policy_did_not_collapse",
            asset="world_model_rl",
            blocking=True,
            description=f"The mean reward of the last quarter is at least {COLLAPSED_SHARE:.0%} of the first's.",
        )
    ],
)
def world_model_rl(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """World model after GSPO, one turn per trajectory, hybrid reward.

    Nine parts rubric from a judge, one part rules. On the tiny preset the judge is the embedded reference-grounded
    rule judge, not a language model. Invalid answers earn 0.
    """
    artifact = make(context, RL, preset, lake, jobs)
    first, last = number(artifact, "reward_first_quarter"), number(artifact, "reward_last_quarter")
    return materialized(
        artifact,
        [("policy_did_not_collapse", last >= COLLAPSED_SHARE * first > 0, {"first": first, "last": last})],
        reward_curve=training_curve(artifact, "reward"),
    )


@world_model_asset(
    deps=[world_model_rl, trajectory_splits],
    kinds={"pytorch"},
    pool="gpu",
    code_version=SIMULATOR.code_version,
    check_specs=[
        dg.AssetCheckSpec(
            "fidelity_above_copy_baseline",
            asset="simulator",
            blocking=True,
            description="On validation turns the simulator is exact more often than repeating the last observation.",
        )
    ],
)
def simulator(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """The trained world model with the settings it answers with: an environment agents can train in.

    It keeps an explicit state that the predicted patches update (or plain history, by preset), and speaks the same
    environment protocol as the real shell.
    """
    artifact = make(context, SIMULATOR, preset, lake, jobs)
    exact, copied = number(artifact, "gate_exact_match"), number(artifact, "gate_copy_exact_match")
    evidence = {"exact_match": exact, "copy_exact_match": copied, "turns": number(artifact, "gate_turns")}
    return materialized(artifact, [("fidelity_above_copy_baseline", exact > copied, evidence)])
