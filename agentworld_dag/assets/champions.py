"""Group `monitoring`: who is in use. One record per change, made when a decision is carried out.

The alias `champion` in MLflow is moved first, in one call; the record here
follows it. Sensors read the record, and never ask MLflow.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import dagster as dg

from agentworld_dag.assets.recipe import failing_clearly
from agentworld_dag.errors import RegistryError, StoreError
from agentworld_dag.monitoring.champion import (
    AGENT,
    MADE,
    ROUND,
    SCORES,
    SEED,
    WORLD_MODEL,
    Champion,
    read_champion,
    reference_of,
)
from agentworld_dag.monitoring.review import (
    CANDIDATE,
    CHAMPION,
    COMMENT,
    DECIDED,
    DECISION,
    REVIEW,
    Verdict,
    champion_of,
    judge,
    reviewer,
    round_under_review,
)
from agentworld_dag.monitoring.versions import Version
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry

RECORD = "record"
"""Metadata entry that holds the champion."""
ROLLED_BACK, MOVED = "rolled_back", "moved"
WHY = "agentworld/why"
"""Tag of a version that was rolled back."""
COMPARISON = "candidate_comparison"
ASSETS = {WORLD_MODEL: "world_model_champion", AGENT: "agent_champion"}

champion_asset = partial(
    dg.asset, group_name="monitoring", kinds={"mlflow"}, code_version="1", output_required=False, pool="registry"
)


class Decision(dg.Config):
    roll_back_from: int = 0
    """The version that turned out worse than the one before it; 0 carries out what a reviewer decided."""
    why: str = ""


@champion_asset()
def world_model_champion(
    context: dg.AssetExecutionContext, config: Decision, preset: RunPreset, lake: Lake, registry: ModelRegistry
) -> Iterator[dg.MaterializeResult]:
    """The world model in use: since when, by whose decision and why, and how exact it was on fresh real sessions."""
    with failing_clearly():
        yield from carry_out(context, WORLD_MODEL, config, preset, lake, registry)


@champion_asset()
def agent_champion(
    context: dg.AssetExecutionContext, config: Decision, preset: RunPreset, lake: Lake, registry: ModelRegistry
) -> Iterator[dg.MaterializeResult]:
    """The agent policy in use: since when, by whose decision and why."""
    with failing_clearly():
        yield from carry_out(context, AGENT, config, preset, lake, registry)


def current(instance: dg.DagsterInstance, model: str) -> Champion | None:
    """The champion that was recorded last."""
    event = instance.get_latest_materialization_event(dg.AssetKey(ASSETS[model]))
    return _champion(event) if event else None


def recorded(instance: dg.DagsterInstance, model: str, version: int) -> Champion | None:
    """The last record of a version that was champion."""
    return next((champion for champion in records(instance, model) if champion.version == version), None)


def records(instance: dg.DagsterInstance, model: str) -> Iterator[Champion]:
    """The last hundred changes of champion, newest first."""
    found = instance.fetch_materializations(dg.AssetKey(ASSETS[model]), limit=100).records
    return (_champion(record.event_log_entry) for record in found)


def carry_out(
    context: dg.AssetExecutionContext,
    model: str,
    config: Decision,
    preset: RunPreset,
    lake: Lake,
    registry: ModelRegistry,
) -> Iterator[dg.MaterializeResult]:
    """Do what the registry and the configuration ask for, and record it; each step can be done again."""
    now = current(context.instance, model)
    versions = {version.number: version for version in registry.versions(model)}
    if now and (why := _roll_back_asked(now, versions, config)) is not None:
        yield from _roll_back(context, now, why, registry)
    elif config.roll_back_from:
        context.log.info(f"version {config.roll_back_from} is not in use any more; nothing is rolled back")
    else:
        verdict = judged(list(versions.values()), now, preset)
        context.log.info(f"{model}: {verdict.action}, {verdict.reason}")
        found = versions.get(verdict.version or 0)
        if verdict.action == "reject" and found:
            _reject(context, model, found, verdict, registry)
        elif found:
            yield from _promote(model, found, verdict, now, lake, registry)


def judged(versions: Sequence[Version], now: Champion | None, preset: RunPreset) -> Verdict:
    """What is to be done, by the settings of the round under review."""
    settings = preset.load(round_under_review(versions)).review
    return judge(versions, now.version if now else None, settings.auto_promote)


def _promote(
    model: str, version: Version, verdict: Verdict, now: Champion | None, lake: Lake, registry: ModelRegistry
) -> Iterator[dg.MaterializeResult]:
    """Alias first, record second, and the review is closed last: whoever starts over finishes it.

    A version that cannot be recorded is refused before anything is moved.
    """
    is_new = not now or now.version != version.number
    champion = _new_champion(model, version, verdict, now, lake) if is_new else None
    if verdict.action == "promote":
        registry.give_alias(model, CHAMPION, version.number)
    if champion:
        yield shown(champion)
    if verdict.action == "promote" or CANDIDATE in version.aliases:
        registry.tag(model, version.number, {DECISION: DECIDED["promote"]})
    if CANDIDATE in version.aliases:
        registry.take_alias(model, CANDIDATE)


def _reject(
    context: dg.AssetExecutionContext, model: str, version: Version, verdict: Verdict, registry: ModelRegistry
) -> None:
    """The record of a rejection is an observation: nothing was made."""
    told = {"decision": DECIDED["reject"], "version": version.number, "why": verdict.reason}
    context.log_event(dg.AssetObservation(asset_key=context.asset_key, metadata=told))
    registry.tag(model, version.number, {DECISION: DECIDED["reject"]})
    registry.take_alias(model, CANDIDATE)


def _roll_back_asked(now: Champion, versions: Mapping[int, Version], config: Decision) -> str | None:
    """Why the champion is taken back: asked for now, or begun by a run that died; None where it is not.

    Whoever moved the alias elsewhere meanwhile is not overruled, unless that move is refused.
    """
    named = champion_of(list(versions.values()))
    refused = named is None and any(CHAMPION in version.aliases for version in versions.values())
    holder = now.version if refused else named and named.number
    if now.previous is None or holder not in (now.version, now.previous):
        return None
    if config.roll_back_from == now.version:
        return config.why
    tags = versions[now.version].tags if now.version in versions else {}
    return tags.get(WHY, "") if holder == now.previous and tags.get(DECISION) == ROLLED_BACK else None


def _roll_back(
    context: dg.AssetExecutionContext, now: Champion, why: str, registry: ModelRegistry
) -> Iterator[dg.MaterializeResult]:
    """The reason is written down first, so that whoever finds the alias moved knows why."""
    before = recorded(context.instance, now.model, now.previous or 0)
    if before is None:
        raise RegistryError(f"{now.model} {now.previous} has no record to go back to; move the alias by hand")
    context.log.info(f"back from version {now.version} to {before.version}: {why}")
    registry.tag(now.model, now.version, {WHY: why, DECISION: ROLLED_BACK})
    registry.give_alias(now.model, CHAMPION, before.version)
    yield shown(replace(before, decision=ROLLED_BACK, why=why, who="the graph", previous=None, at=time.time()))


def _new_champion(model: str, version: Version, verdict: Verdict, now: Champion | None, lake: Lake) -> Champion:
    """The record to be. Raises RegistryError on a version that this graph did not register, or StoreError."""
    tags = version.tags
    if missing := {ROUND, SEED} - set(tags):
        raise RegistryError(
            f"{model} {version.number} has no tag {' and no '.join(sorted(missing))}: it was not registered by this "
            f"graph; give the alias `{CHAMPION}` to a version that was"
        )
    made = {name.removeprefix(MADE): value for name, value in tags.items() if name.startswith(MADE)}
    promoted = verdict.action == "promote"
    return Champion(
        model=model,
        version=version.number,
        round=tags[ROUND],
        seed=int(tags[SEED]),
        made=made,
        reference=_reference(lake, tags[ROUND], made) if model == WORLD_MODEL else {},
        decision=DECIDED["promote"] if promoted else MOVED,
        why=(tags.get(COMMENT) if promoted else None) or verdict.reason,
        who=_decided_by(version, promoted),
        previous=now.version if now and promoted else None,
        at=time.time(),
    )


def _decided_by(version: Version, promoted: bool) -> str:
    if not promoted:
        return "whoever moved the alias"
    return reviewer(version) if REVIEW in version.tags else "the preset"


def _reference(lake: Lake, round_name: str, made: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """How exact it was on fresh sessions when it was compared; empty where it never was."""
    if COMPARISON not in made:
        return {}
    folder = lake.folder(COMPARISON, round_name, made[COMPARISON])
    if (scores := lake.read(folder, SCORES)) is None:
        raise StoreError(
            f"{folder / SCORES} is gone, and with it what the version was right in; restore it, or compare anew"
        )
    return reference_of(json.loads(scores))


def shown(champion: Champion) -> dg.MaterializeResult:
    """The record, with what people want to see of it in plain entries."""
    metadata: dict[str, dg.MetadataValue | str | int | float] = {
        "version": champion.version,
        "round": champion.round,
        "decision": champion.decision,
        "who": champion.who,
        "why": champion.why,
        "replaces": champion.previous or 0,
        RECORD: dg.MetadataValue.text(champion.as_json()),
    }
    for domain, (exact, low) in champion.reference.items():
        metadata |= {f"reference/{domain}": exact, f"reference/{domain}/low": low}
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(f"{champion.name}-{champion.at:.0f}"))


def _champion(event: dg.EventLogEntry) -> Champion:
    assert event.asset_materialization is not None
    return read_champion(str(event.asset_materialization.metadata[RECORD].value))
