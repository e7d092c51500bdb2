"""The lake as stages and assets see it: a local folder that is a cache of the remote.

A complete artifact never changes, so one that lies here is never stale.
Without a remote the local folder is all there is. Folders outside of the lake,
such as a stage's run by hand, are nobody else's business and stay here. The
lake must have the same path on every machine (`AGENTWORLD_HOME`): results name
their inputs by it.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentworld_dag import artifacts
from agentworld_dag.errors import StoreError
from agentworld_dag.home import home
from agentworld_dag.lake.fetching import fetch, read_file
from agentworld_dag.lake.publishing import publish, standing_version
from agentworld_dag.lake.remote import Remote, connected

UNFINISHED = "unfinished"
"""Below an artifact in the remote: the checkpoints of the stage that makes it."""
ARTIFACT_PARTS = 3
"""Asset, round and fingerprint."""


@dataclass(frozen=True)
class SharedLake:
    """Every method raises StoreError where the remote cannot be asked."""

    root: Path
    remote: Remote | None

    def is_complete(self, folder: Path) -> bool:
        """Whether an artifact is finished, here or on another machine that published it."""
        if artifacts.is_complete(folder):
            return True
        remote, name = self._known_as(folder)
        return remote is not None and standing_version(remote, name) is not None

    def pull(self, folder: Path) -> bool:
        """Have an artifact here, fetched if need be. False where it is finished nowhere."""
        if artifacts.is_complete(folder):
            return True
        remote, name = self._known_as(folder)
        return remote is not None and fetch(remote, name, self.root / name, artifacts.is_complete)

    def pulled(self, folder: Path) -> Path:
        """The folder, fetched if need be. Raises StoreError where it is nowhere."""
        if not (self.pull(folder) or folder.is_dir()):
            raise StoreError(f"{folder} is gone, here and in the lake's remote; restore it, or run its stage again")
        return folder

    def read(self, folder: Path, file: str) -> str | None:
        """A small text file of an artifact, which is not fetched for it; None where it has none."""
        remote, name = self._known_as(folder)
        if remote is None or artifacts.is_complete(folder):
            return (folder / file).read_text() if (folder / file).is_file() else None
        content = read_file(remote, name, file)
        return None if content is None else content.decode()

    def read_result(self, folder: Path) -> dict[str, Any]:
        """The record of a complete artifact, wherever it is. Raises StoreError where it is not finished."""
        if self.remote is None or artifacts.is_complete(folder):
            return artifacts.read_result(folder)
        content = self.read(folder, artifacts.RESULT)
        return artifacts.read_result(folder) if content is None else json.loads(content)

    def publish(self, folder: Path) -> str:
        """Give a complete artifact to other machines; returns what came of it, empty where nothing was to be done."""
        remote, name = self._known_as(folder)
        if remote is None or not artifacts.is_complete(folder):
            return ""
        place = f"{remote.url}/{name}"
        told = f"published: {place}"
        if not publish(remote, folder, name):
            told = f"another machine published {place} first and its version stands; this one lies beside it"
        left = _remove_unfinished(remote, name)
        return f"{told}; {left}" if left else told

    def publish_if_missing(self, folder: Path) -> str:
        """The same for one that may have been published long ago; asks first, and reads no file then."""
        remote, name = self._known_as(folder)
        if remote is None:
            return ""
        # Whoever published it may have been killed before it removed them.
        return _remove_unfinished(remote, name) if standing_version(remote, name) else self.publish(folder)

    def _known_as(self, folder: Path) -> tuple[Remote | None, str]:
        """The remote, and the artifact's name in it; None for a folder that is no artifact of this lake."""
        parts = self.parts(folder)
        return (self.remote, "/".join(parts)) if len(parts) == ARTIFACT_PARTS else (None, "")

    def parts(self, folder: Path) -> tuple[str, ...]:
        """Its path below the lake; empty outside of it."""
        found = Path(os.path.normpath(folder.absolute()))
        return found.relative_to(self.root).parts if found.is_relative_to(self.root) else ()


def _remove_unfinished(remote: Remote, name: str) -> str:
    """Of a published artifact; what keeps them there, which the next that uses it tries again."""
    try:
        remote.remove(f"{name}/{UNFINISHED}")
    except StoreError as error:
        return f"checkpoints under {name}/{UNFINISHED} stay: {error}"
    return ""


def opened() -> SharedLake:
    """The lake of this process, as the environment names it."""
    here = home()
    return SharedLake(here.lake, connected(here.remote_lake) if here.remote_lake else None)


def pulled(folder: Path) -> Path:
    """A folder of this process's lake that the stage was not given as an input. Raises StoreError."""
    return opened().pulled(folder)
