"""The facts of a model card, gathered from the artifacts of a round."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentworld_dag.artifacts import read_result
from agentworld_dag.evaluation.accounts import lineage, seconds
from agentworld_dag.evaluation.comparison import COMPARISON, SIDES
from agentworld_dag.evaluation.intervals import Estimate
from agentworld_dag.evaluation.model_facts import Cost, Lineage, Score
from agentworld_dag.trajectories.pools import TRAINING

SETS = {"fresh": "fresh sessions", "held_out": "held-out sessions", "earlier": "earlier rounds' held-out"}
"""Of a comparison, as a reviewer reads them."""


def world_model_scores(comparison: Path) -> tuple[Score, ...]:
    """Exact answers with the truth as context and on own answers, per set of sessions."""
    found = _read(comparison)
    return tuple(
        _score(f"{title}, {regime}", found[name][key])
        for name, title in SETS.items()
        if name in found
        for key, regime in (("fidelity", "one step"), ("self_fed_fidelity", "on own answers"))
    )


def command_scores(comparison: Path) -> tuple[Score, ...]:
    """Exact answers by command, on fresh sessions."""
    return tuple(_score(name, sides) for name, sides in _read(comparison)["fresh"]["by_command"].items())


def policy_scores(comparison: Path) -> tuple[Score, ...]:
    """Success beside the champion agent, and what was gained over the start of practice; without a champion the latter.

    The column of references is the champion's then, so the start's own success is not in it.
    """
    found = _read(comparison)
    success, gained = found["success"], _score("success on fresh real tasks", found["against_base"])
    if "difference" not in success:
        return (gained,)
    return (_score(gained.name, success), replace(gained, name="gain over its start", reference=None))


def lineage_of(run_id: str, asset: str, folder: Path, code_version: str, splits: Path) -> Lineage:
    """Where a checkpoint comes from; `splits` is the artifact of the sessions it was trained on."""
    counted = read_result(splits)["metrics"]
    replayed = sum(counted.get("replayed", {}).values())
    trained_on = sum(counted["trajectories"][name] for name in TRAINING)
    return Lineage(run_id, asset, folder.name, code_version, trained_on - replayed, replayed)


def cost_of(asset: str, folder: Path) -> Cost:
    """Of everything upstream of an artifact, itself included; what nothing in there kept an account of is None."""
    results = lineage({asset: folder}).values()
    used = [result["cost"] for result in results if "cost" in result]
    if not used:
        return Cost(sum(map(seconds, results)), gpu_seconds=None, tokens=None, money=None)
    total = {name: sum(each[name] for each in used) for name in ("seconds", "gpu_s", "tokens", "money")}
    return Cost(total["seconds"], total["gpu_s"], total["tokens"], total["money"], used[0]["currency"])


def _read(comparison: Path) -> dict[str, Any]:
    return json.loads((comparison / COMPARISON).read_text())


def _score(name: str, sides: Mapping[str, Any]) -> Score:
    other = next((found for side, found in sides.items() if side not in (SIDES[0], "difference")), None)
    return Score(name, _estimate(sides[SIDES[0]]), _estimate(other), _estimate(sides.get("difference")))


def _estimate(found: Mapping[str, Any] | None) -> Estimate | None:
    return Estimate(**found) if found and found["value"] is not None else None
