"""Whether what a candidate was made of has passed every check that would have stopped its round.

Dagster's record is asked, not the run that puts the candidate up: that run may
have made the last assets alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dagster as dg

from agentworld_dag.assets.benchmark import heldout_benchmark, judge_trial, judged_answers
from agentworld_dag.assets.data import raw_trajectories, trajectory_splits
from agentworld_dag.assets.recipe import SEARCHED, Materialization, materializations
from agentworld_dag.assets.world_model import simulator, world_model_cpt, world_model_rl

CHECKED = (
    raw_trajectories,
    trajectory_splits,
    world_model_cpt,
    world_model_rl,
    simulator,
    heldout_benchmark,
    judge_trial,
    judged_answers,
)
"""Assets with blocking checks that a candidate of either model comes from."""
PASSED = "passed"


def blocking_checks(context: dg.AssetExecutionContext, seed: int, folders: Mapping[str, Path]) -> str:
    """PASSED when the newest evaluation of every blocking check did, else what is wrong. Not evaluated is not passed.

    `folders`: artifacts the candidate was made of, by asset; of the others the round's newest counts.
    """
    results = dict(_results(context, seed, folders))
    failed = [name for name, passed in results.items() if passed is False]
    missing = [name for name, passed in results.items() if passed is None]
    told = [f"{word}: {', '.join(names)}" for word, names in (("failed", failed), ("not evaluated", missing)) if names]
    return "; ".join(told) or PASSED


def _results(
    context: dg.AssetExecutionContext, seed: int, folders: Mapping[str, Path]
) -> Iterator[tuple[str, bool | None]]:
    for asset in CHECKED:
        name = asset.key.to_user_string()
        runs = _runs_with_artifact(materializations(context, name, seed), folders.get(name))
        for spec in asset.check_specs:
            if spec.blocking:
                yield spec.name, _newest(context.instance, spec.key, runs)


def _runs_with_artifact(found: Sequence[Materialization], folder: Path | None) -> set[str]:
    """Those that made the artifact, or found it made: its checks were evaluated in each."""
    marks = [(record.run_id, shown["fingerprint"].value) for record, shown in found]
    wanted = folder.name if folder else marks[0][1] if marks else None
    return {run_id for run_id, mark in marks if mark == wanted}


def _newest(instance: dg.DagsterInstance, check: dg.AssetCheckKey, runs: set[str]) -> bool | None:
    """Whether the check held when it was last evaluated in one of these runs; None where it never was.

    Dagster knows no round of a check, so the run tells it.
    """
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=SEARCHED)
    evaluated = (record.evaluation for record in history if record.run_id in runs)
    return next((each.passed for each in evaluated if isinstance(each, dg.AssetCheckEvaluation)), None)
