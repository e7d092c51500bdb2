"""Group `monitoring`: is the simulator in use still right about the real environment?"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from agentworld_dag.artifacts import fingerprint
from agentworld_dag.assets.champions import agent_champion, current, recorded, world_model_champion
from agentworld_dag.assets.presentation import materialized, number
from agentworld_dag.assets.recipe import Artifact, failing_clearly
from agentworld_dag.errors import StoreError
from agentworld_dag.monitoring.champion import AGENT, SCORES, WORLD_MODEL, Champion
from agentworld_dag.monitoring.settings import EPISODES_PER_PROBE
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Jobs, Launcher, Script

PROBE = "agentworld_dag.evaluation.probe"
FIRST_EPISODE, PROBES = 10**12, 10**9
"""Numbers of episodes between those of rounds and those of comparisons; so many that two probes hardly share one."""
LAKE_ASSETS = {WORLD_MODEL: "simulator", AGENT: "agent_sim_rl"}
"""Through which artifact a champion is used."""
INPUTS = {WORLD_MODEL: "simulator", AGENT: "agent"}
"""As which input the probe's script knows it."""
SHOWN_CHAMPIONS = {WORLD_MODEL: "champion", AGENT: "champion_agent"}
SHOWN_PROBE, SHOWN_SCORES, SHOWN_LEADS = "probe", "scores", "leads"
"""Metadata that the sensors read."""

FEW_DIED = "few_sessions_died"
DIED_SHARE = 0.05
"""Fidelity is measured on sessions that lived: more dead ones than this, and it may hide what a change kills."""

InUse = Mapping[str, Champion]
"""Champions by model."""


@dg.asset(
    group_name="monitoring",
    deps=[world_model_champion, agent_champion],
    kinds={"pytorch", "bash"},
    code_version="1",
    pool="gpu",
    check_specs=[
        dg.AssetCheckSpec(
            FEW_DIED,
            asset="real_env_probe",
            description=f"At most {DIED_SHARE:.0%} of the fresh sessions died and are not in the numbers.",
        )
    ],
)
def real_env_probe(
    context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake, jobs: Jobs
) -> dg.MaterializeResult:
    """Fresh real episodes, answered by the champions in use and, while they are new, by the ones before them.

    One step and on the simulator's own answers, and the champion agent's success on fresh real tasks, with intervals.
    """
    with failing_clearly():
        in_use = {model: found for model in LAKE_ASSETS if (found := current(context.instance, model))}
        if WORLD_MODEL not in in_use:
            raise StoreError("there is no champion to probe; approve a candidate in MLflow first (docs/operations.md)")
        artifact = probe(context, in_use, preset, lake, jobs)
        scores = json.loads(artifact.text(SCORES))
    return shown(artifact, in_use, scores)


def shown(artifact: Artifact, in_use: InUse, scores: Mapping[str, Sequence[float]]) -> dg.MaterializeResult:
    """The probe's record: whom it is about, and what the sensors compare."""
    entries: dict[str, Any] = {SHOWN_CHAMPIONS[model]: champion.name for model, champion in in_use.items()}
    entries |= {SHOWN_PROBE: artifact.folder.name, SHOWN_SCORES: dict(scores), SHOWN_LEADS: artifact.metrics["lead"]}
    entries["environments"] = artifact.metrics["environments"]
    died = number(artifact, "died_share")
    few_died = (FEW_DIED, died <= DIED_SHARE, {"died_share": died, "limit": DIED_SHARE})
    return materialized(artifact, warnings=[few_died], **entries)


def probe(context: dg.AssetExecutionContext, in_use: InUse, preset: RunPreset, lake: Lake, jobs: Launcher) -> Artifact:
    """The probe of this Dagster run; tried again it has the same episodes, and is made anew for other champions."""
    champion, root = in_use[WORLD_MODEL], context.run.root_run_id or context.run.run_id
    comparisons = preset.load(champion.round).review.regression_probes
    inputs = probed(context.instance, in_use, comparisons, lake)
    answering = {name: path.name for name, path in inputs.items()}
    folder = lake.folder("real_env_probe", champion.round, fingerprint("probe", root, answering))
    if not lake.is_complete(folder):
        number = int(fingerprint("episodes", root), 16) % PROBES
        options = {"first_episode": str(FIRST_EPISODE + EPISODES_PER_PROBE * number)}
        jobs.launch(context, Script(PROBE, champion.round, folder, inputs, options, champion.seed, True), preset)
    return Artifact(folder, lake.read_result(folder), False, champion.seed, lake)


def probed(instance: dg.DagsterInstance, in_use: InUse, comparisons: int, lake: Lake) -> Mapping[str, Path]:
    """Who answers, by the script's input: the champions, and in their first `comparisons` probes those before them."""
    inputs: dict[str, Path] = {}
    for model, champion in in_use.items():
        inputs[INPUTS[model]] = artifact_of(champion, lake)
        before = recorded(instance, model, champion.previous) if champion.previous else None
        if before and _probes_since(instance, champion, comparisons) < comparisons:
            inputs[f"previous_{INPUTS[model]}"] = artifact_of(before, lake)
    return inputs


def _probes_since(instance: dg.DagsterInstance, champion: Champion, most: int) -> int:
    """Probes on record since the champion came into use, counted up to `most`."""
    since = dg.AssetRecordsFilter(asset_key=dg.AssetKey("real_env_probe"), after_timestamp=champion.at)
    return len(instance.fetch_materializations(since, limit=most).records)


def artifact_of(champion: Champion, lake: Lake) -> Path:
    """The place a champion is used from. Raises StoreError when it is gone."""
    asset = LAKE_ASSETS[champion.model]
    folder = lake.folder(asset, champion.round, champion.made.get(asset, ""))
    if not lake.is_complete(folder):
        raise StoreError(f"{champion.name} is used from {folder}, which is gone; restore it, or promote another")
    return folder
