"""Group `monitoring`: is the simulator in use still right about the real environment?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from agentworld_dag.artifacts import fingerprint, is_complete, read_result
from agentworld_dag.assets.champions import agent_champion, current, recorded, world_model_champion
from agentworld_dag.assets.presentation import materialized
from agentworld_dag.assets.recipe import Artifact, failing_clearly
from agentworld_dag.errors import StoreError
from agentworld_dag.monitoring.champion import AGENT, SCORES, WORLD_MODEL, Champion
from agentworld_dag.monitoring.settings import EPISODES_PER_PROBE
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.local_jobs import Launch, LocalJobs
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.tracking import flatten

PROBE = "agentworld_dag.evaluation.probe"
FIRST_EPISODE, PROBES = 10**12, 10**9
"""Numbers of episodes between those of rounds and those of comparisons; so many that two probes hardly share one."""
LAKE_ASSETS = {WORLD_MODEL: "simulator", AGENT: "agent_sim_rl"}
"""Through which artifact a champion is used."""
SHOWN_CHAMPION, SHOWN_SCORES, SHOWN_PROBE, SHOWN_LEAD = "champion", "scores", "probe", "lead"
"""Metadata that the sensors read."""


@dg.asset(
    group_name="monitoring",
    deps=[world_model_champion, agent_champion],
    kinds={"pytorch", "bash"},
    code_version="1",
    pool="gpu",
)
def real_env_probe(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: LocalJobs
) -> dg.MaterializeResult:
    """Fresh real episodes, answered by the champions in use and, while they are new, by the ones before them.

    One step and on the simulator's own answers, and the champion agent's success on fresh real tasks, with intervals.
    """
    with failing_clearly():
        champion = current(context.instance, WORLD_MODEL)
        if champion is None:
            raise StoreError("there is no champion to probe; approve a candidate in MLflow first (docs/operations.md)")
        artifact = probe(context, champion, preset, lake, jobs)
    scores = json.loads((artifact.folder / SCORES).read_text())
    shown = {SHOWN_CHAMPION: champion.name, SHOWN_PROBE: artifact.folder.name, SHOWN_SCORES: scores}
    return materialized(artifact, **shown | leads(artifact))


def probe(
    context: dg.AssetExecutionContext, champion: Champion, preset: RunPreset, lake: Lake, jobs: LocalJobs
) -> Artifact:
    """The probe of this Dagster run: a run that is tried again goes on with the same episodes."""
    root = context.run.root_run_id or context.run.run_id
    folder = lake.folder("real_env_probe", champion.round, fingerprint("probe", root))
    if not is_complete(folder):
        number = int(fingerprint("episodes", root), 16) % PROBES
        options = {"first_episode": str(FIRST_EPISODE + EPISODES_PER_PROBE * number)}
        inputs = probed(context.instance, champion, lake)
        jobs.run(context, Launch(PROBE, champion.round, folder, inputs, options, champion.seed, True), preset)
    return Artifact(folder, read_result(folder), False, champion.seed)


def leads(artifact: Artifact) -> dict[str, Any]:
    """By how much each champion is ahead, under flat names: not left to chance among the many numbers of a probe."""
    found = flatten({SHOWN_LEAD: artifact.metrics[SHOWN_LEAD]})
    return {name: float(value) for name, value in found if value is not None}


def probed(instance: dg.DagsterInstance, champion: Champion, lake: Lake) -> Mapping[str, Path]:
    """Who answers: both champions, and the ones before them as long as these are known."""
    inputs: dict[str, Path] = {}
    for name, found in (("simulator", champion), ("agent", current(instance, AGENT))):
        if found is None:
            continue
        inputs[name] = artifact_of(found, lake)
        before = recorded(instance, found.model, found.previous) if found.previous else None
        if before:
            inputs[f"previous_{name}"] = artifact_of(before, lake)
    return inputs


def artifact_of(champion: Champion, lake: Lake) -> Path:
    """The folder a champion is used from. Raises StoreError when it is gone."""
    asset = LAKE_ASSETS[champion.model]
    folder = lake.folder(asset, champion.round, champion.made.get(asset, ""))
    if not is_complete(folder):
        raise StoreError(f"{champion.name} is used from {folder}, which is gone; restore it, or promote another")
    return folder
