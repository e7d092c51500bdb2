"""What the real assets and runs leave on record, put there without training anything."""

import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.execution.plan.objects import StepFailureData, UserFailureData

from agentworld_dag.artifacts import write_json
from agentworld_dag.assets import champions, monitoring
from agentworld_dag.assets.recipe import Artifact
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL, Champion
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.sensors.history import KEY, OF_CHAMPION, PARTITION, RETRAINING_JOB

HOUR_S = 3600.0
EXACT, DROPPED = [0.9, 1.0] * 150, [0.5, 0.7] * 150
"""Exact shares of a probe's episodes."""
ESTIMATE = {"value": 0.9, "low": 0.88, "high": 0.92, "n": 3000, "clusters": 300}
SIDES = {"champion": ESTIMATE, "previous": ESTIMATE, "difference": ESTIMATE}
SPENT = {
    "timing": {"work_started_at": 0.0, "finished_at": 60.0},
    "cost": {"seconds": 60.0, "gpu_s": 0.0, "cpu_core_s": 90.0, "tokens": 0, "money": 0.01, "currency": "USD"},
}
QUIET, WORSE = {"value": 0.01, "chance": 0.69, "n": 300}, {"value": -0.2, "chance": 6e-05, "n": 300}
"""By how much a champion is ahead of the one before it."""


def champion(version: int = 1, model: str = WORLD_MODEL, **changes: Any) -> Champion:
    """One that was promoted now, from the round of the same number."""
    plain: dict[str, Any] = {
        "round": f"round-{version:04d}",
        "seed": 7,
        "made": {"simulator": f"s{version}", "agent_sim_rl": f"a{version}"},
        "reference": {"terminal": (0.95, 0.94)} if model == WORLD_MODEL else {},
        "decision": "promoted",
        "why": "better",
        "who": "ada",
        "previous": version - 1 or None,
        "at": time.time(),
    }
    return Champion(model=model, version=version, **(plain | changes))


def promoted(instance: dg.DagsterInstance, found: Champion) -> Champion:
    """Puts a champion on record, and its round among the partitions."""
    instance.add_dynamic_partitions(str(rounds.name), [found.round])
    materialized(instance, champions.ASSETS[found.model], champions.shown(found))
    return found


def probed(
    instance: dg.DagsterInstance,
    in_use: Sequence[Champion],
    scores: Sequence[float] = EXACT,
    leads: Mapping[str, Mapping[str, Any]] | None = None,
    name: str = "",
) -> str:
    """Puts a probe on record, with as many numbers as the real one shows; returns its name."""
    name = name or uuid.uuid4().hex[:8]
    metrics = {
        **dict.fromkeys(("fidelity", "self_fed_fidelity", "agent_success"), SIDES),
        "episodes": len(scores),
        "died_share": 0.0,
        "environments": {"1": len(scores)},
        "lead": leads or {WORLD_MODEL: {}, AGENT: {}},
    }
    artifact = Artifact(Path("/lake/real_env_probe") / name, {"metrics": metrics} | SPENT, False, 7, Lake(root="/lake"))
    by_model = {each.model: each for each in in_use}
    materialized(instance, "real_env_probe", monitoring.shown(artifact, by_model, {"terminal": list(scores)}))
    return name


def began(instance: dg.DagsterInstance, round_name: str, champion_name: str) -> None:
    instance.add_dynamic_partitions(str(rounds.name), [round_name])
    plan = dg.MaterializeResult(metadata={"champion": champion_name, "fingerprint": "0"})
    materialized(instance, "round_plan", plan, round_name)


def put_up(instance: dg.DagsterInstance, round_name: str, under_review: bool = True) -> None:
    """The round brought a candidate; one that was decided on before is not put up again."""
    registered = dg.MaterializeResult(metadata={"registered": 3, "under_review": under_review})
    materialized(instance, "world_model_versions", registered, round_name)


def brought(instance: dg.DagsterInstance, round_name: str = "round-0002", of_champion: str = "world-model-1") -> None:
    """A retraining of four days ago trained the round, and put up its candidate."""
    began(instance, round_name, of_champion)
    retrained(instance, 99, round_name=round_name, of_champion=of_champion)
    put_up(instance, round_name)


def rejected(instance: dg.DagsterInstance, version: int) -> None:
    told = {"decision": "rejected", "version": version, "why": "worse"}
    instance.report_runless_asset_event(dg.AssetObservation("world_model_champion", metadata=told))


def retrained(
    instance: dg.DagsterInstance,
    hours_ago: float = 0.0,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
    gpu_s: float = 0.0,
    key: str = "",
    round_name: str = "round-0002",
    of_champion: str = "world-model-1",
    **tags: str,
) -> str:
    """Puts a run that trained a round on record; returns its id. Tags with `__` for `/`."""
    given = {name.replace("__", "/"): value for name, value in tags.items()}
    own = {KEY: key or uuid.uuid4().hex, OF_CHAMPION: of_champion, PARTITION: round_name}
    run_id = ran(instance, RETRAINING_JOB, status, own | given, hours_ago)
    if gpu_s:
        spent(instance, run_id, gpu_s, round_name=round_name)
    return run_id


def turned(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
    round_name: str = "round-0002",
    hours_ago: float = 0.0,
) -> str:
    """Puts a run of the whole loop on record, as `make run` leaves it; returns its id."""
    return ran(instance, "turn_the_loop", status, {PARTITION: round_name}, hours_ago)


def spent(
    instance: dg.DagsterInstance,
    run_id: str,
    gpu_s: float,
    asset: str = "world_model_rl",
    round_name: str = "round-0002",
) -> None:
    """A stage of the run finished and told what it had used."""
    made = dg.AssetMaterialization(asset, metadata={"cost/gpu_seconds": gpu_s}, partition=round_name)
    event = DagsterEvent("ASSET_MATERIALIZATION", RETRAINING_JOB, event_specific_data=StepMaterializationData(made))
    instance.report_dagster_event(event, run_id=run_id)


def worked(
    instance: dg.DagsterInstance, run_id: str, step: str, seconds: float, failed_with: str = "no reason"
) -> None:
    """A step of the run began so long ago, and fails now."""
    started = DagsterEvent("STEP_START", RETRAINING_JOB, step_key=step)
    instance.report_dagster_event(started, run_id=run_id, timestamp=time.time() - seconds)
    failure = StepFailureData(None, UserFailureData("intentional-failure", failed_with, {}))
    failed = DagsterEvent("STEP_FAILURE", RETRAINING_JOB, step_key=step, event_specific_data=failure)
    instance.report_dagster_event(failed, run_id=run_id)


def ran(
    instance: dg.DagsterInstance,
    job: str,
    status: dg.DagsterRunStatus,
    tags: Mapping[str, str],
    hours_ago: float = 0.0,
) -> str:
    """Puts a run on record; returns its id."""
    run = dg.DagsterRun(job_name=job, run_id=str(uuid.uuid4()), status=status, tags=dict(tags))
    instance.run_storage.add_historical_run(run, datetime.fromtimestamp(time.time() - hours_ago * HOUR_S))
    return run.run_id


def comparison(lake: Path, round_name: str, fingerprint: str, scores: Sequence[float]) -> None:
    """What a comparison wrote down about the version of a round."""
    folder = lake / "candidate_comparison" / round_name / fingerprint
    folder.mkdir(parents=True)
    write_json(folder / "scores.json", {"terminal": list(scores)})


def materialized(
    instance: dg.DagsterInstance, asset: str, result: dg.MaterializeResult, partition: str | None = None
) -> None:
    event = dg.AssetMaterialization(asset, metadata=result.metadata or {}, partition=partition)
    instance.report_runless_asset_event(event)
