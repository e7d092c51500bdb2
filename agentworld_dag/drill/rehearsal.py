"""The drill: the real environment changes, and the loop notices, retrains, asks a person and recovers.

Over a copy of a finished home, with a real daemon, webserver, code server and
MLflow server. Until the change a person may do things; after it, nothing is
touched but the review tag, through MLflow's REST API, and, where that is asked
for, the daemon, which is killed. Everything else is done by the sensors and
schedules of the graph, as they would do it at night.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import dagster as dg

from agentworld_dag.assets.champions import current
from agentworld_dag.config import load_preset
from agentworld_dag.drill import observing
from agentworld_dag.drill.clients import alias_of, set_tags, turn_on
from agentworld_dag.drill.copying import copy_home
from agentworld_dag.drill.observing import Found, Timeline
from agentworld_dag.drill.services import Deployment, deployed
from agentworld_dag.environments import images
from agentworld_dag.errors import ConfigError, RunError
from agentworld_dag.home import Home, preset_path
from agentworld_dag.jobs.instance import DATABASE, opened
from agentworld_dag.monitoring.champion import AGENT, ASSET, ROUND, WORLD_MODEL, Champion
from agentworld_dag.monitoring.review import APPROVED, CANDIDATE, CHAMPION, COMMENT, REVIEW, REVIEWER
from agentworld_dag.monitoring.versions import Version
from agentworld_dag.monitoring.watch import held
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.sensors import history
from agentworld_dag.sensors.retraining import decided, retrainings
from agentworld_dag.tracking import URI

SENSORS = ["retrain_on_fidelity_drop", "promote_on_review", "roll_back_on_regression"]
SCHEDULES = ["probe_nightly"]
QUICKLY = {"AGENTWORLD_PROBE_CRON": "* * * * *", "AGENTWORLD_SENSOR_EVERY_S": "5"}
"""A night takes a minute here."""
FINAL = "world_model_rl"
"""The asset whose version is put up for review."""


@dataclass(frozen=True)
class Plan:
    source: Home
    preset: str
    image: str
    quiet_probes: int
    deadline_s: float
    """For all of it."""
    kill_daemon: bool
    """In the middle of the retraining."""


@dataclass(frozen=True)
class Scene:
    """What the acts of the drill share."""

    plan: Plan
    home: Home
    deployment: Deployment
    instance: dg.DagsterInstance
    timeline: Timeline

    def preset(self, champion: Champion) -> RunPreset:
        return RunPreset(name=str(preset_path(self.plan.preset)), seed=champion.seed)

    def wait_for(self, what: str, seen: Callable[[], Found | None]) -> Found:
        return observing.wait_for(what, seen, self.instance, self.timeline, self.plan.deadline_s)


def rehearse(plan: Plan, timeline: Timeline) -> None:
    """Raises RunError when something was not seen, ConfigError before anything is copied."""
    images.prelude(plan.image)
    load_preset(preset_path(plan.preset))
    if os.environ.get(DATABASE):
        raise ConfigError(f"{DATABASE} is set, and the drill copies a record in SQLite; unset it and `make run` first")
    if not plan.source.mlflow_uri.startswith("sqlite:"):
        raise ConfigError(f"{URI} is set, and the drill copies the local MLflow store; unset it and `make run` first")
    if images.installed(plan.source.terminal_image) == plan.image:
        raise ConfigError(f"{plan.image} is the image of {plan.source.root} already; name another one (IMAGE)")
    home = Home(plan.source.root / "drill")
    copy_home(plan.source, home)
    settings = QUICKLY | {"AGENTWORLD_PRESET": str(preset_path(plan.preset))}
    with opened(home) as instance, deployed(home, settings) as deployment:
        timeline.tell("drill", f"Dagster {deployment.dagster_url}, MLflow {deployment.mlflow_url}, home {home.root}")
        turn_on(deployment.dagster_url, SENSORS, SCHEDULES)
        scene = Scene(plan, home, deployment, instance, timeline)
        first = appoint(scene)
        quiet(scene, first)
        change(scene)
        second = recover(scene, first)
        healthy(scene, second)
        once(scene, second)


def appoint(scene: Scene) -> Champion:
    """A person approves what the first round put up; a home that has its champions goes on with them."""
    for model in (WORLD_MODEL, AGENT):
        if current(scene.instance, model):
            continue
        candidate = alias_of(scene.deployment.mlflow_url, model, CANDIDATE)
        if candidate is None:
            raise RunError(f"no version of {model} has the alias `{CANDIDATE}`; finish a round with `make run` first")
        approve(scene, model, candidate, "the first round's")
    found = scene.wait_for("a first champion", lambda: current(scene.instance, WORLD_MODEL))
    scene.wait_for("a first champion agent", lambda: current(scene.instance, AGENT))
    _refuse_held(scene, found)
    return found


def _refuse_held(scene: Scene, champion: Champion) -> None:
    """What the home's earlier retrainings leave in the way would hold the drill's up, too."""
    now, preset = time.time(), scene.preset(champion)
    limits = preset.load(champion.round).watch
    if obstacle := held(retrainings(scene.instance, champion, preset, now), limits, now):
        raise RunError(
            f"a drop would start no retraining in a copy of {scene.plan.source.root}: {obstacle}; wait, decide, or "
            "change `watch` in the preset"
        )


def approve(scene: Scene, model: str, version: int, why: str) -> None:
    scene.timeline.tell("reviewer", f"sets {REVIEW}={APPROVED} on {model} version {version}: {why}")
    tags = {COMMENT: why, REVIEWER: "the drill", REVIEW: APPROVED}
    set_tags(scene.deployment.mlflow_url, model, version, tags)


def quiet(scene: Scene, champion: Champion) -> None:
    """Nothing changes, and nothing happens."""
    count = scene.plan.quiet_probes
    scene.wait_for(f"{count} quiet probes", lambda: _probes(scene, champion) >= count or None)
    if observing.retrainings(scene.instance, scene.timeline.began):
        raise RunError("a retraining was started although nothing had changed")


def change(scene: Scene) -> None:
    images.install(scene.plan.image, scene.home.terminal_image)
    scene.timeline.tell("real environment", f"changes: {scene.plan.image}")


def recover(scene: Scene, first: Champion) -> Champion:
    """Probe, sensor, round, candidate, tag, champion."""
    asked = scene.wait_for("a retraining, started by the sensor", lambda: _first_retraining(scene))
    if scene.plan.kill_daemon:
        kill_daemon(scene, asked)
    round_name = asked.tags[history.PARTITION]
    candidate = scene.wait_for(f"a candidate of {round_name}", lambda: _candidate(scene, round_name))
    approve(scene, WORLD_MODEL, candidate, f"follows the environment as it is now ({scene.plan.image})")
    promoted = partial(observing.champion_other_than, scene.instance, WORLD_MODEL, first.version)
    second = scene.wait_for(f"version {candidate} as champion", promoted)
    named = alias_of(scene.deployment.mlflow_url, WORLD_MODEL, CHAMPION)
    if not second.version == candidate == named or second.round != round_name:
        raise RunError(f"recorded is {second.name} of {second.round}, MLflow's alias names {named}, not {candidate}")
    practice = partial(observing.running, scene.instance, "train_agent", round_name, scene.timeline.began)
    scene.wait_for("the agent's training", practice)
    return second


def kill_daemon(scene: Scene, retraining: dg.DagsterRun) -> None:
    """The run is a child of the code server, and goes on; everything after it needs a daemon."""
    begun = partial(observing.begun_step, scene.instance, retraining)
    step = scene.wait_for("a step of the retraining", begun)
    scene.deployment.kill_daemon()
    scene.timeline.tell("daemon", f"killed (SIGKILL) after {step} of the retraining had begun, and started again")


def healthy(scene: Scene, champion: Champion) -> None:
    """The new champion is right about the changed environment."""
    scene.wait_for("a probe of the new champion", lambda: _probes(scene, champion) or None)
    shown = history.probe_metadata(scene.instance, champion)
    lead = next(history.leads_of(shown, WORLD_MODEL))
    scene.timeline.tell("drill", f"the new champion is ahead of the first by {lead.value:+.3f} on the same fresh turns")
    if lead.value <= 0:
        raise RunError(f"{champion.name} is no better in the changed environment than the champion before it")
    rejected = history.rejection(scene.instance, champion.model, champion.at)
    decisions = decided(scene.instance, champion, scene.preset(champion), time.time(), rejected)
    told = "; ".join(decision.reason for decision in decisions.values())
    scene.timeline.tell("drill", told)
    if not decisions or not all(decision.reason.startswith("no drop") for decision in decisions.values()):
        raise RunError(f"the new champion is not healthy: {told}")


def once(scene: Scene, champion: Champion) -> None:
    """There was one retraining, it put up one version, and nothing of its round was made twice."""
    runs = observing.retrainings(scene.instance, scene.timeline.began)
    if len(runs) != 1:
        raise RunError(f"expected one retraining, found {len(runs)}: {', '.join(run.run_id for run in runs)}")
    final = [version.number for version in _versions(scene, champion.round) if version.tags.get(ASSET) == FINAL]
    if final != [champion.version]:
        raise RunError(f"expected one version of {champion.round}'s {FINAL}, {champion.version}, found {final}")
    made = observing.made(scene.instance, champion.round, scene.timeline.began)
    if again := sorted(asset for asset, times in made.items() if times > 1):
        raise RunError(f"expected each asset of {champion.round} to be materialised once, not so: {', '.join(again)}")
    scene.timeline.tell(
        "drill", f"one retraining, one candidate, {len(made)} assets of {champion.round}, each made once"
    )


def _probes(scene: Scene, champion: Champion) -> int:
    """Of the champion, since the drill began."""
    since = max(champion.at, scene.timeline.began.timestamp())
    return sum(1 for _ in history.probe_metadata(scene.instance, replace(champion, at=since)))


def _first_retraining(scene: Scene) -> dg.DagsterRun | None:
    found = observing.retrainings(scene.instance, scene.timeline.began)
    return found[-1] if found else None


def _candidate(scene: Scene, round_name: str) -> int | None:
    return next((version.number for version in _versions(scene, round_name) if CANDIDATE in version.aliases), None)


def _versions(scene: Scene, round_name: str) -> list[Version]:
    """The world models that the round registered."""
    registry = ModelRegistry(tracking_uri=scene.deployment.mlflow_url)
    return [version for version in registry.versions(WORLD_MODEL) if version.tags.get(ROUND) == round_name]
