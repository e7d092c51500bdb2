"""What a reviewer decided in MLflow, carried out; and a new champion that turns out worse, taken back.

`promote_on_review` is the one sensor that asks MLflow; when MLflow does not
answer it says so within half a minute and waits. The work itself is done by a run, which reads the
registry again and can be started any number of times.
"""

import time
from collections.abc import Iterator, Sequence

import dagster as dg

from agentworld_dag.assets.champions import ASSETS, current, judged
from agentworld_dag.errors import RegistryError
from agentworld_dag.jobs.loop import decide_on_agent, decide_on_world_model, train_agent
from agentworld_dag.jobs.run_config import run_config
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL, Champion
from agentworld_dag.monitoring.regression import regression
from agentworld_dag.monitoring.review import DECIDED, Verdict
from agentworld_dag.monitoring.versions import Version
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.sensors import history
from agentworld_dag.sensors.every import SENSOR_EVERY_S

JOBS = {WORLD_MODEL: decide_on_world_model, AGENT: decide_on_agent}
CARRIED_OUT = "agentworld/decision"
"""Tag of a run: what it was started to carry out."""
ATTEMPTS, FIRST_WAIT_S = 10, 60.0
"""Runs that are started for one decision before a person is asked to look; each wait is twice the one before, so that
a night without MLflow uses up none too many."""

Request = dg.RunRequest | str
"""A run to start, or why none is."""


@dg.sensor(
    jobs=[decide_on_world_model, decide_on_agent, train_agent],
    minimum_interval_seconds=SENSOR_EVERY_S,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Carries out what the tag `review` of a candidate says, and trains the agent in a new champion.",
)
def promote_on_review(
    context: dg.SensorEvaluationContext, preset: RunPreset, registry: ModelRegistry
) -> dg.SensorResult:
    """One run per decision; reasons of both models are in the tick."""
    return _result(context, [*reviews(context.instance, preset, registry), practice(context.instance, preset)])


@dg.sensor(
    jobs=[decide_on_world_model, decide_on_agent],
    minimum_interval_seconds=SENSOR_EVERY_S,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Returns the alias `champion` when the new champion is worse in the real environment.",
)
def roll_back_on_regression(context: dg.SensorEvaluationContext, preset: RunPreset) -> dg.SensorResult:
    """Looks at the first probes of each champion, in which the one before it answers too."""
    world_model = current(context.instance, WORLD_MODEL)
    if world_model is None:
        return dg.SensorResult(skip_reason=dg.SkipReason("no champion yet"))
    found = [
        regressed(context.instance, champion, preset)
        for champion in (world_model, current(context.instance, AGENT))
        if champion
    ]
    return _result(context, found)


def reviews(instance: dg.DagsterInstance, preset: RunPreset, registry: ModelRegistry) -> list[Request]:
    """Of both models. A registry that fails is asked no further, so that one which hangs costs one request's time."""
    found: list[Request] = []
    for model in JOBS:
        try:
            versions = registry.versions(model)
        except RegistryError as error:
            left = list(JOBS)[len(found) :]
            return [*found, f"{' and '.join(left)}: nothing decided, {error}"]
        found.append(reviewed(instance, model, versions, preset))
    return found


def reviewed(instance: dg.DagsterInstance, model: str, versions: Sequence[Version], preset: RunPreset) -> Request:
    """The run that carries out what stands in the registry."""
    champion = current(instance, model)
    verdict = judged(versions, champion, preset)
    if verdict.action == "wait":
        return f"{model}: {verdict.reason}"
    return _attempt(instance, model, _key(model, verdict, champion), preset, verdict.reason, {})


def regressed(instance: dg.DagsterInstance, champion: Champion, preset: RunPreset) -> Request:
    """The run that takes a champion back."""
    if champion.previous is None:
        return f"{champion.name}: there is none before it to go back to"
    limits = preset.load(champion.round).review
    leads = history.leads_of(history.probe_metadata(instance, champion), champion.model)
    found = regression(leads, limits)
    if not found.worse:
        return f"{champion.name}: {found.reason}"
    config = {"roll_back_from": champion.version, "why": found.reason}
    key = f"{champion.name}-roll-back-{champion.at:.0f}"
    return _attempt(instance, champion.model, key, preset, found.reason, config)


def practice(instance: dg.DagsterInstance, preset: RunPreset) -> Request:
    """The run that trains the agent in a simulator that was promoted."""
    champion = current(instance, WORLD_MODEL)
    if champion is None or champion.decision != DECIDED["promote"]:
        return "no new simulator to practise in"
    key = f"practice-{champion.name}-{champion.at:.0f}"
    if run := history.started(instance, key):
        return f"practice in {champion.name} was started as run {run.run_id}, {run.status.value}"
    if not instance.has_dynamic_partition(str(rounds.name), champion.round):
        return f"no practice in {champion.name}: its {champion.round} is unknown here, add that partition"
    return dg.RunRequest(
        run_key=key,
        job_name=train_agent.name,
        partition_key=champion.round,
        run_config=run_config(preset.name, champion.seed),
        tags={
            history.WHY: f"{champion.name} was promoted",
            history.OF_CHAMPION: champion.name,
            "agentworld/seed": str(champion.seed),
        },
    )


def _key(model: str, verdict: Verdict, champion: Champion | None) -> str:
    """Of one decision: the same version may be decided on again after others."""
    return f"{model}-{verdict.version}-{verdict.action}-after-{champion.at if champion else 0:.0f}"


def _attempt(
    instance: dg.DagsterInstance, model: str, key: str, preset: RunPreset, reason: str, config: dict[str, object]
) -> Request:
    """A run for the decision, unless any decision on the model is under way, or too many runs did not settle this."""
    under_way = dg.RunsFilter(job_name=JOBS[model].name, statuses=history.GOING_ON)
    if found := instance.get_runs(under_way, limit=1):
        return f"{model}: {reason}; waits for run {found[0].run_id}, which decides on {model} now"
    runs = instance.get_run_records(dg.RunsFilter(tags={CARRIED_OUT: key}), limit=ATTEMPTS)
    if obstacle := _held(runs, model):
        return f"{model}: {reason}; {obstacle}"
    configured = run_config(preset.name, preset.seed) | {"ops": {ASSETS[model]: {"config": config}}}
    return dg.RunRequest(
        run_key=f"{key}-{len(runs)}",
        job_name=JOBS[model].name,
        run_config=configured,
        tags={CARRIED_OUT: key, history.WHY: reason},
    )


def _held(runs: Sequence[dg.RunRecord], model: str) -> str:
    """Why no further run is started now; empty where one is. `runs`: those that did not settle it, newest first."""
    if not runs:
        return ""
    last = f"{len(runs)} runs did not settle it, see {runs[0].dagster_run.run_id}"
    if len(runs) >= ATTEMPTS:
        return f"{last}, and run {JOBS[model].name} by hand"
    left_s = runs[0].create_timestamp.timestamp() + FIRST_WAIT_S * 2 ** (len(runs) - 1) - time.time()
    return f"{last}; the next one in {left_s:.0f} s" if left_s > 0 else ""


def _result(context: dg.SensorEvaluationContext, found: list[Request]) -> dg.SensorResult:
    requests = [each for each in found if isinstance(each, dg.RunRequest)]
    told = "; ".join(_told(found))
    context.log.info(told)
    return dg.SensorResult(run_requests=requests) if requests else dg.SensorResult(skip_reason=dg.SkipReason(told))


def _told(found: list[Request]) -> Iterator[str]:
    for each in found:
        yield f"starts {each.run_key}: {each.tags[history.WHY]}" if isinstance(each, dg.RunRequest) else each
