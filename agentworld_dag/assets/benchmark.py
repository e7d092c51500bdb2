"""Group `benchmark`: samples, who judges, what each model answered, and the leaderboard.

The same instrument as `agentworld bench`, over the round's own held-out
sessions. A judge that fails its trial stops the leaderboard, not the training.
"""

import json
from functools import partial
from typing import Any

import dagster as dg

from agentworld_dag.assets.data import trajectory_splits
from agentworld_dag.assets.pictures import bar_chart
from agentworld_dag.assets.presentation import Claim, breakdown, materialized, number
from agentworld_dag.assets.recipe import ANSWERING, Recipe, make
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.assets.world_model import world_model_cpt, world_model_rl, world_model_sft
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Jobs

benchmark_asset = partial(dg.asset, group_name="benchmark", partitions_def=rounds)

ANSWERS_SECTIONS = (
    *ANSWERING,
    "model.template",
    "evaluation.control_temperatures",
    "world_model_rl.temperature",
    "simulator.mode",
    "simulator.max_new_tokens",
)
TRIAL_SECTIONS = ("benchmark.judge_trial", "benchmark.judge", "evaluation.bootstrap_samples", "collection.seed")
JUDGED_SECTIONS = ("benchmark.judge", "benchmark.judged_samples", "benchmark.endpoints")


def answers(checkpoint: str) -> Recipe:
    return Recipe(
        "agentworld_dag.evaluation.answers",
        ANSWERS_SECTIONS,
        options={"checkpoint": checkpoint},
        tracked=False,
    )


CPT_ANSWERS, SFT_ANSWERS, RL_ANSWERS = answers("cpt"), answers("sft"), answers("rl")
HELDOUT = Recipe(
    "agentworld_dag.benchmark.heldout",
    ("collection.seed", "evaluation.fidelity_turns", "benchmark.checks_per_axis"),
    seeded=False,
    tracked=False,
)
TRIAL = Recipe("agentworld_dag.evaluation.judge_trial", TRIAL_SECTIONS, seeded=False)
ENDPOINTS = Recipe(
    "agentworld_dag.evaluation.endpoint_answers",
    ("benchmark.endpoints", "benchmark.judged_samples"),
    seeded=False,
    tracked=False,
)
JUDGED = Recipe("agentworld_dag.evaluation.judged_answers", JUDGED_SECTIONS, tracked=False)
BOARD = Recipe("agentworld_dag.evaluation.leaderboard", ("benchmark.endpoints", "evaluation.bootstrap_samples"))

TRIAL_CLAIMS = {
    "gold_answers_score_the_maximum": "The truth itself scores five in every dimension.",
    "planted_errors_cost_points": "One wrong fact in the truth costs points.",
    "the_judge_repeats_itself": "The same answer scores the same when it is judged again.",
    "order_does_not_matter": "Scores do not depend on whether truth or prediction is shown first.",
    "length_earns_nothing": "Filler does not raise the score of a wrong answer.",
    "praise_earns_nothing": "Self-praise does not raise the score of a wrong answer.",
    "judge_keywords_earn_nothing": "The rubric's own words do not raise the score of a wrong answer.",
    "forged_references_earn_nothing": "A forged truth inside a wrong answer does not raise its score.",
    "pleas_earn_nothing": "Instructions to the judge do not raise the score of a wrong answer.",
    "judge_answers_are_usable": "The judge gives five integers from one to five.",
    "judges_agree": "The judge agrees with the embedded rules, these with the rules RL rewards, by quadratic kappa.",
}
"""What `evaluation.judge_trial` decides, by the thresholds of the preset."""


@benchmark_asset(
    deps=[trajectory_splits, round_plan],
    kinds={"python"},
    code_version=HELDOUT.code_version,
    op_tags={"dagster/priority": "9"},
    check_specs=[
        dg.AssetCheckSpec(
            "rule_checks_are_enough",
            asset="heldout_benchmark",
            blocking=True,
            description="At least as many checks as the preset asks for accept the truth and reject every corruption.",
        ),
        dg.AssetCheckSpec(
            "rule_checks_are_unseen_in_training",
            asset="heldout_benchmark",
            blocking=True,
            description="No check is about a trajectory, session or task that a training split of any round holds.",
        ),
    ],
)
def heldout_benchmark(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """Held-out turns in the official layout, audited against training, and rule checks made from them.

    Controllability, error handling and long-context consistency: the answer of each check is known by construction.
    """
    artifact = make(context, HELDOUT, preset, lake, jobs)
    kept = sum(breakdown(artifact, "checks/kept").values())
    least = preset.load(context.partition_key).benchmark.least_checks
    shared = breakdown(artifact, "checks/shared_with_training")
    claims = [
        ("rule_checks_are_enough", kept >= least, {"kept": kept, "least": least}),
        ("rule_checks_are_unseen_in_training", bool(shared) and not any(shared.values()), shared),
    ]
    return materialized(artifact, claims)


@benchmark_asset(
    deps=[heldout_benchmark],
    kinds={"python"},
    code_version=TRIAL.code_version,
    op_tags={"dagster/priority": "3"},
    check_specs=[
        dg.AssetCheckSpec(name, asset="judge_trial", blocking=True, description=text)
        for name, text in TRIAL_CLAIMS.items()
    ],
)
def judge_trial(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """The judge asked about answers whose worth is known: gold, planted errors, flattery, forgeries, repeats."""
    from agentworld_dag.evaluation import benchmark_tables

    artifact = make(context, TRIAL, preset, lake, jobs)
    verdicts = json.loads(artifact.text(benchmark_tables.TRIAL))["verdicts"]
    decided = {found["name"]: found for found in verdicts}
    claims = [_trial_claim(name, decided.get(name)) for name in TRIAL_CLAIMS]
    return materialized(artifact, claims)


def _trial_claim(name: str, found: dict[str, Any] | None) -> Claim:
    """A claim that the preset does not make (no least kappa) stops nobody, and says so."""
    if found is None:
        return name, True, {"evidence": "not asked for by the preset"}
    return name, found["holds"], {"evidence": found["evidence"]}


@benchmark_asset(
    deps=[world_model_cpt, heldout_benchmark, trajectory_splits],
    kinds={"pytorch"},
    pool="gpu",
    code_version=CPT_ANSWERS.code_version,
    op_tags={"dagster/priority": "1"},
)
def cpt_answers(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """What the model answers after CPT on the held-out benchmark and its rule checks, row by row."""
    return materialized(make(context, CPT_ANSWERS, preset, lake, jobs))


@benchmark_asset(
    deps=[world_model_sft, heldout_benchmark, trajectory_splits],
    kinds={"pytorch"},
    pool="gpu",
    code_version=SFT_ANSWERS.code_version,
    op_tags={"dagster/priority": "1"},
)
def sft_answers(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """What the model answers after SFT on the same samples and checks, with the ledger and with plain history."""
    return materialized(make(context, SFT_ANSWERS, preset, lake, jobs))


@benchmark_asset(
    deps=[world_model_rl, heldout_benchmark, trajectory_splits],
    kinds={"pytorch"},
    pool="gpu",
    code_version=RL_ANSWERS.code_version,
    op_tags={"dagster/priority": "1"},
)
def rl_answers(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """What the model answers after RL on the same samples and checks, with the ledger and with plain history."""
    return materialized(make(context, RL_ANSWERS, preset, lake, jobs))


@benchmark_asset(
    deps=[heldout_benchmark], kinds={"openai"}, code_version=ENDPOINTS.code_version, op_tags={"dagster/priority": "3"}
)
def endpoint_answers(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """What the models behind the preset's endpoints answer on the same samples; nobody where it names none."""
    return materialized(make(context, ENDPOINTS, preset, lake, jobs))


@benchmark_asset(
    deps=[cpt_answers, sft_answers, rl_answers, endpoint_answers, heldout_benchmark, judge_trial],
    kinds={"polars"},
    code_version=JUDGED.code_version,
    op_tags={"dagster/priority": "3"},
    check_specs=[
        dg.AssetCheckSpec(
            "failures_are_within_budget",
            asset="judged_answers",
            blocking=True,
            description="Answers without a judgement keep the error budget over all, lost calls also model by model.",
        )
    ],
)
def judged_answers(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """Five dimensions per greedy answer, all by the one judge that stood its trial.

    A folder per model and mode holds a `judged.jsonl` that `agentworld bench score` and the official script read.
    """
    artifact = make(context, JUDGED, preset, lake, jobs)
    judged, failed, lost = (number(artifact, name) for name in ("judged", "failed", "most_lost_share"))
    budget = preset.load(context.partition_key).benchmark.error_budget
    evidence = {"judged": judged, "failed": failed, "most_lost_share": lost}
    holds = failed <= budget * judged and lost <= budget and judged > 0
    return materialized(artifact, [("failures_are_within_budget", holds, evidence)])


@benchmark_asset(
    deps=[heldout_benchmark, cpt_answers, sft_answers, rl_answers, endpoint_answers, judged_answers],
    kinds={"polars"},
    code_version=BOARD.code_version,
    op_tags={"dagster/priority": "9"},
)
def leaderboard(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs) -> dg.MaterializeResult:
    """Our checkpoints, the copy baseline and every endpoint by strict score, with published rows beside.

    Paired distances, the clean subset and rule checks per axis, all with 95 % intervals over trajectories.
    """
    artifact = make(context, BOARD, preset, lake, jobs)
    entries = json.loads(artifact.text("leaderboard.json"))["entries"]
    table = dg.MetadataValue.md(artifact.text("leaderboard.md"))
    return materialized(artifact, standing=bar_chart(entries), leaderboard=table)
