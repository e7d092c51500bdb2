"""Group `evaluation`: how true the simulator is, what its practice is worth in the real shell, and the report."""

from functools import partial

import dagster as dg

from agentworld_dag.assets.agent import (
    agent_base,
    agent_real_rl,
    agent_real_rl_scarce,
    agent_scratch,
    agent_sim_rl,
    agent_warmup,
)
from agentworld_dag.assets.benchmark import cpt_answers, judge_trial, judged_answers, rl_answers, sft_answers
from agentworld_dag.assets.data import BACKENDS, trajectory_splits
from agentworld_dag.assets.presentation import breakdown, materialized, number
from agentworld_dag.assets.recipe import ANSWERING, Recipe, failing_clearly, following, make
from agentworld_dag.assets.world_model import simulator, world_model_rl
from agentworld_dag.config import UNMEASURED, Preset
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.reports import Reports
from agentworld_dag.resources.script import Jobs

evaluation_asset = partial(dg.asset, group_name="evaluation", partitions_def=rounds)

ARMS = [agent_base, agent_sim_rl, agent_real_rl, agent_real_rl_scarce, agent_warmup, agent_scratch]
FAILURE_BUDGET = 0.05
"""Largest share of rollouts that may fail for reasons other than the policy's before a measurement is not believed."""

SHOWN_PAGE_CHARS = 40_000
"""Metadata lives in the event log: more makes the asset page slow."""

POLICY_SECTIONS = (
    *ANSWERING,
    "model",
    "agent.max_turns",
    "agent.max_new_tokens",
    "agent.rl.temperature",
    "evaluation.tasks",
    "evaluation.control_temperatures",
    "collection",
)
RELIABILITY_SECTIONS = (
    *ANSWERING,
    "model.template",
    "evaluation.reliability",
    "simulator.max_new_tokens",
    "world_model_rl.temperature",
    "collection",
)
DRIFT_SECTIONS = ("model.template", "evaluation.drift_episodes", "simulator.max_new_tokens", *ANSWERING)


DRIFT = Recipe("agentworld_dag.evaluation.drift", DRIFT_SECTIONS, tracked=False)
RELIABILITY = Recipe("agentworld_dag.evaluation.reliability", RELIABILITY_SECTIONS, tracked=False)
FIDELITY = Recipe("agentworld_dag.evaluation.fidelity", ())
REAL = Recipe("agentworld_dag.evaluation.policy", POLICY_SECTIONS, options={"environment": "real"})
SIMULATED = Recipe("agentworld_dag.evaluation.policy", POLICY_SECTIONS, options={"environment": "sim"})
TRANSFER = Recipe("agentworld_dag.evaluation.transfer", ("simulator", "splits", "evaluation.bootstrap_samples"))
REPORT = Recipe(
    "agentworld_dag.evaluation.report", tuple(name for name in Preset.model_fields if name not in UNMEASURED)
)

refresh_when_inputs_change = (
    dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
).with_label("refresh_when_inputs_change")


@evaluation_asset(
    deps=[world_model_rl, trajectory_splits],
    kinds={"pytorch"},
    pool="gpu",
    code_version=DRIFT.code_version,
    op_tags={"dagster/priority": "2"},
)
def simulator_drift(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """Answers along held-out episodes with the truth fed back, and with the simulator's own answers fed back."""
    return materialized(make(context, DRIFT, preset, lake, jobs))


@evaluation_asset(
    deps=[world_model_rl, trajectory_splits],
    kinds={"pytorch", "bash"},
    pool="gpu",
    code_version=RELIABILITY.code_version,
    op_tags={"dagster/priority": "2"},
)
def simulator_reliability(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """How far an answer can be trusted: confidence against truth, luck over replays, and wrong actions.

    Malformed, empty and illegal actions are sent to the real shell and to the simulator from the same true states.
    """
    return materialized(make(context, RELIABILITY, preset, lake, jobs))


@evaluation_asset(
    deps=[cpt_answers, sft_answers, rl_answers, simulator_drift],
    kinds={"polars"},
    code_version=FIDELITY.code_version,
    op_tags={"dagster/priority": "9"},
)
def fidelity_report(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """How often each stage of the world model answers as the real shell did, on held-out sessions.

    Exact match and changed-part F1, greedy and sampled, against copying the last observation; drift over the turns
    with the truth fed back and with the model's own answers fed back.
    """
    return materialized(make(context, FIDELITY, preset, lake, jobs))


@evaluation_asset(
    deps=ARMS,
    kinds={"pytorch", "bash"},
    pool="gpu",
    code_version=REAL.code_version,
    op_tags={"dagster/priority": "7"},
    check_specs=[
        dg.AssetCheckSpec(
            "success_is_measured_in_the_real_shell",
            asset="real_env_evaluation",
            blocking=True,
            description=f"Every rollout ran in a sandboxed real shell; at most {FAILURE_BUDGET:.0%} failed on its own.",
        )
    ],
)
def real_env_evaluation(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """Success of every arm on held-out task instances in the real shell, greedy and sampled.

    The goal checker reads the true file system. A rollout that fails for any reason counts as a failure.
    """
    artifact = make(context, REAL, preset, lake, jobs)
    rollouts, failed = number(artifact, "rollouts"), number(artifact, "failed")
    real = breakdown(artifact, "by_environment").get("real", 0)
    sandboxed = sum(breakdown(artifact, "by_sandbox").get(backend, 0) for backend in BACKENDS)
    holds = rollouts == real == sandboxed > 0 and failed <= FAILURE_BUDGET * rollouts
    evidence = {"rollouts": rollouts, "real": real, "sandboxed": sandboxed, "failed": failed}
    return materialized(artifact, [("success_is_measured_in_the_real_shell", holds, evidence)])


@evaluation_asset(
    deps=[agent_base, agent_sim_rl, simulator],
    kinds={"pytorch"},
    pool="gpu",
    code_version=SIMULATED.code_version,
    op_tags={"dagster/priority": "7"},
)
def simulator_evaluation(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """The same tasks in the simulator, and the same actions replayed in the real shell.

    The share of simulated successes that fail for real is what a policy can exploit.
    """
    return materialized(make(context, SIMULATED, preset, lake, jobs))


@evaluation_asset(
    deps=[real_env_evaluation, simulator_evaluation],
    kinds={"python", "polars"},
    code_version=TRANSFER.code_version,
    op_tags={"dagster/priority": "9"},
    automation_condition=refresh_when_inputs_change,
)
def transfer_report(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """What practice in simulation is worth in reality, and what it cost.

    Paired differences on the same tasks with 95 % intervals, the sim-to-real gap, real steps and wall time of each
    arm with the world model's own data included, and the break-even in policies per world model.
    """
    return materialized(make(context, TRANSFER, following(context, preset), lake, jobs))


@evaluation_asset(
    deps=[
        fidelity_report,
        simulator_drift,
        simulator_reliability,
        judge_trial,
        judged_answers,
        real_env_evaluation,
        simulator_evaluation,
        transfer_report,
    ],
    kinds={"python", "polars"},
    code_version=REPORT.code_version,
    op_tags={"dagster/priority": "9"},
    automation_condition=refresh_when_inputs_change,
    check_specs=[
        dg.AssetCheckSpec(
            "every_claim_was_measured",
            asset="round_report",
            description="Each claim of the report was decided by a measurement of this round.",
        )
    ],
)
def round_report(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs, reports: Reports
) -> dg.MaterializeResult:
    """One page on the round: which of the paper's claims held on this machine, with intervals.

    `report.json` for programs, `report.html` with plots for people; the newest copy lies under `reports/<round>`.
    """
    from agentworld_dag.evaluation.claims import NOT_MEASURED
    from agentworld_dag.evaluation.report import publish, read_report

    preset = following(context, preset)
    artifact = make(context, REPORT, preset, lake, jobs)
    with failing_clearly():
        folder = lake.pulled(artifact.folder)
    html = publish(folder, reports.folder(context.partition_key), preset.seed)
    page, claims = artifact.text("report.md"), read_report(folder)["claims"]
    unmeasured = [claim["id"] for claim in claims if claim["evidence"] == NOT_MEASURED]
    evidence = {"claims": len(claims), "unmeasured": unmeasured}
    return materialized(
        artifact,
        [("every_claim_was_measured", bool(claims) and not unmeasured, evidence)],
        page=dg.MetadataValue.md(page[:SHOWN_PAGE_CHARS]),
        html=dg.MetadataValue.path(str(html)),
    )
