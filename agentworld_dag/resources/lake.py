"""The lake: where artifacts lie. Callers get folders from here and build no paths themselves."""

from pathlib import Path

import dagster as dg


class Lake(dg.ConfigurableResource):
    """Artifact folders below one root, addressed by asset, round and fingerprint."""

    root: str

    def folder(self, asset: str, round_name: str, fingerprint: str) -> Path:
        """Where an artifact lies or will lie; it may not exist yet."""
        return Path(self.root) / asset / round_name / fingerprint
