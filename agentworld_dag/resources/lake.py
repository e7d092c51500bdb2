"""The lake: where artifacts lie. Callers get folders from here and build no paths themselves."""

from pathlib import Path
from typing import Any

import dagster as dg

from agentworld_dag.lake.remote import connected
from agentworld_dag.lake.shared import SharedLake


class Lake(dg.ConfigurableResource):
    """Artifact folders below one root, addressed by asset, round and fingerprint.

    With a remote, an artifact may be complete though its folder is not on this machine. Its record and its small files
    are read from there then; a whole folder, weights and all, is fetched only for a step that works on it.
    """

    root: str
    remote: str = ""
    """`s3://bucket/prefix`; empty: the local folder is all there is."""

    def folder(self, asset: str, round_name: str, fingerprint: str) -> Path:
        """Where an artifact lies or will lie; it may not exist yet."""
        return Path(self.root) / asset / round_name / fingerprint

    def is_complete(self, folder: Path) -> bool:
        """Here or on another machine that published it. Raises StoreError where the remote cannot be asked."""
        return self._shared.is_complete(folder)

    def read_result(self, folder: Path) -> dict[str, Any]:
        """The record of a complete artifact. Raises StoreError."""
        return self._shared.read_result(folder)

    def read(self, folder: Path, file: str) -> str | None:
        """A small text file of a complete artifact; None where it has none. Raises StoreError."""
        return self._shared.read(folder, file)

    def pulled(self, folder: Path) -> Path:
        """The folder, fetched if it is not here. Raises StoreError where it is nowhere."""
        return self._shared.pulled(folder)

    def share(self, folder: Path) -> str:
        """Publish what is complete here and was made without a remote; says what came of it, empty for nothing."""
        return self._shared.publish_if_missing(folder)

    @property
    def _shared(self) -> SharedLake:
        return SharedLake(Path(self.root), connected(self.remote) if self.remote else None)
