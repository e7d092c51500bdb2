"""The shelf of finished reports, where a person finds the newest without a fingerprint."""

from pathlib import Path

import dagster as dg


class Reports(dg.ConfigurableResource):
    """One folder per round."""

    root: str

    def folder(self, round_name: str) -> Path:
        return Path(self.root) / round_name
