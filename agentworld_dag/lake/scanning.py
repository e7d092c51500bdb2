"""Parquet in the remote as a lazy frame: columns and rows that a query needs, streamed, without a local copy.

For a look at data that is larger than this machine, by a person or a report.
Stages read local folders, which are checked against their manifest; a scan is not.
"""

import polars as pl

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.publishing import standing_version
from agentworld_dag.lake.refusals import naming_refusals
from agentworld_dag.lake.remote import Remote, endpoint, region


def scan(remote: Remote, name: str, pattern: str) -> pl.LazyFrame:
    """The files of a published version whose path fits `pattern`, such as `parts/*.parquet`, as one frame.

    Raises StoreError where nothing is published under `name` or nothing fits.
    """
    version = standing_version(remote, name)
    if version is None:
        raise StoreError(f"nothing is published as {remote.url}/{name}; run the stage that makes it first")
    url = f"{remote.url}/{name}/{version.content}/{pattern}"
    with naming_refusals(remote.url, endpoint()):
        return pl.scan_parquet(url, storage_options=storage_options())


def storage_options() -> dict[str, str]:
    """What polars is told of the server; keys it finds in the environment by itself, so that no plan shows them."""
    found = {"aws_region": region() or "us-east-1"}
    if (url := endpoint()) != "AWS":
        found |= {"aws_endpoint_url": url, "aws_allow_http": str(url.startswith("http://")).lower()}
    return found
