"""What a later round goes on from: the champion's weights, and the sessions of the rounds that led to it.

Decided once, when the round begins, and then kept: a champion promoted
meanwhile concerns the next round. The folders are written relative to the
plan's own, so a lake can be moved whole. The first round goes on from nothing.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.shared import opened

PLAN = "plan.json"


@dataclass(frozen=True)
class Champion:
    """The world model that was in use when the round began."""

    version: str
    """In the MLflow registry."""
    world_model: Path
    """Artifact folder whose `checkpoint` holds the weights."""
    simulator: Path
    """Artifact folder of the simulator made of it."""


@dataclass(frozen=True)
class RoundPlan:
    champion: Champion | None
    splits: tuple[Path, ...]
    """Artifact folders `trajectory_splits` of the rounds before, oldest first."""


def write_plan(folder: Path, plan: RoundPlan) -> dict[str, Any]:
    """Write the plan into `folder`; returns what was written."""
    champion = plan.champion and {
        "version": plan.champion.version,
        "world_model": os.path.relpath(plan.champion.world_model, folder),
        "simulator": os.path.relpath(plan.champion.simulator, folder),
    }
    written = {"champion": champion, "splits": [os.path.relpath(splits, folder) for splits in plan.splits]}
    (folder / PLAN).write_text(json.dumps(written, indent=1))
    return written


def plan_of(inputs: Mapping[str, Path]) -> RoundPlan:
    """The plan among a stage's inputs; a stage that is given none goes on from nothing. Raises StoreError."""
    return read_plan(inputs["round_plan"]) if "round_plan" in inputs else RoundPlan(None, ())


def read_plan(folder: Path) -> RoundPlan:
    """The plan a folder holds. What it names may be on another machine, see `lake.shared.pulled`.

    Raises StoreError when there is none, or when a folder it names is gone.
    """
    if not (folder / PLAN).is_file():
        raise StoreError(f"{folder} holds no {PLAN}; materialise the asset `round_plan` of this round first")
    written = json.loads((folder / PLAN).read_text())
    found = written["champion"]
    champion = found and Champion(found["version"], folder / found["world_model"], folder / found["simulator"])
    plan = RoundPlan(champion, tuple(folder / splits for splits in written["splits"]))
    named = [*plan.splits, *((champion.world_model, champion.simulator) if champion else ())]
    lake = opened()
    if gone := [str(path) for path in named if not (path.is_dir() or lake.is_complete(path))]:
        raise StoreError(f"{folder / PLAN} goes on from {', '.join(gone)}, which is gone; restore it in the lake")
    return plan
