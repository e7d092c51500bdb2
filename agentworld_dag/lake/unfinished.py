"""Checkpoints of a stage that has not finished, kept in the remote for the machine that goes on with it.

A checkpoint is published like a version, whole or not at all, and removed when
newer ones are there or the stage has finished. Which of the local ones are
complete, and when to make one, is the stage's business.
"""

import re
from pathlib import Path

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.fetching import fetch
from agentworld_dag.lake.publishing import MANIFEST, publish
from agentworld_dag.lake.remote import Remote
from agentworld_dag.lake.shared import ARTIFACT_PARTS, UNFINISHED, SharedLake, opened

KEPT = 2
"""Checkpoints in the remote: the last, and the one before for the case that its files are damaged."""
NAME = re.compile(r"checkpoint-(\d+)")


def push_checkpoint(folder: Path, lake: SharedLake | None = None) -> None:
    """Publish a complete `<artifact>/.../checkpoint-<step>`; nothing without a remote. Raises StoreError.

    One of that step which is there already stays: this stage went on from an earlier one, and made it again.
    """
    remote, place = _place(folder.parent, lake or opened())
    if remote is None:
        return
    publish(remote, folder, f"{place}/{folder.name}")
    older = [name for name in _steps(remote, place) if _step(name) < _step(folder.name)]
    for name in older[KEPT - 1 :]:
        remote.remove(f"{place}/{name}/{MANIFEST}")  # first: nobody begins to fetch what is being removed
        remote.remove(f"{place}/{name}")


def pull_last_checkpoint(parent: Path, after_step: int = -1, lake: SharedLake | None = None) -> Path | None:
    """Fetch the newest checkpoint that belongs below `parent` and is of a later step; None where there is none.

    It takes the place of a local folder of that name. One whose bytes are damaged is passed over for the one before.
    """
    remote, place = _place(parent, lake or opened())
    newer = [name for name in _steps(remote, place) if _step(name) > after_step] if remote else []
    damaged: StoreError | None = None
    for name in newer:
        try:
            if remote and fetch(remote, f"{place}/{name}", parent / name, lambda folder: False):
                return parent / name
        except StoreError as error:
            damaged = damaged or error
    if damaged:
        raise damaged
    return None


def _place(parent: Path, lake: SharedLake) -> tuple[Remote | None, str]:
    """The remote, and where the checkpoints below `parent` lie in it; None outside of the lake."""
    parts = lake.parts(parent)
    if len(parts) < ARTIFACT_PARTS:
        return None, ""
    return lake.remote, "/".join((*parts[:ARTIFACT_PARTS], UNFINISHED, *parts[ARTIFACT_PARTS:]))


def _steps(remote: Remote, place: str) -> list[str]:
    """Names of checkpoints, the newest first."""
    return sorted((name for name in remote.names(place) if NAME.fullmatch(name)), key=_step, reverse=True)


def _step(name: str) -> int:
    return int(name.rpartition("-")[2])
