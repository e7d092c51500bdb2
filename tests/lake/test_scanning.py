"""Polars over a published version, without a local copy."""

from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.remote import Remote
from agentworld_dag.lake.scanning import scan, storage_options
from agentworld_dag.lake.shared import SharedLake
from tests.lake.bucket import ASSET, KEY, SECRET, make_artifact
from tests.lake.proxy import Proxy


@pytest.fixture
def published(remote: Remote, tmp_path: Path) -> None:
    folder = make_artifact(tmp_path / "a")
    (folder / "parts").mkdir()
    for number in range(3):
        frame = pl.DataFrame({"part": [number] * 100, "row": range(100)})
        frame.write_parquet(folder / "parts" / f"part-{number}.parquet")
    SharedLake(tmp_path / "a" / "lake", remote).publish(folder)


def test_the_parts_of_a_version_are_one_frame(published: None, remote: Remote, tmp_path: Path) -> None:
    rows = scan(remote, ASSET, "parts/*.parquet").filter(pl.col("row") < 10)
    assert rows.group_by("part").len().sort("part").collect().rows() == [(0, 10), (1, 10), (2, 10)]
    rows.sink_parquet(tmp_path / "some.parquet")
    assert pl.read_parquet(tmp_path / "some.parquet").height == 30


def test_only_the_columns_a_query_needs_are_read(published: None, remote: Remote, proxy: Proxy) -> None:
    proxy.requests.clear()
    assert scan(remote, ASSET, "parts/part-1.parquet").select(pl.len()).collect().item() == 100
    ranges = [request.headers["range"] for request in proxy.asked("GET", "part-1.parquet")]
    assert ranges


def test_no_key_is_in_a_plan_or_an_error(published: None, remote: Remote) -> None:
    frame = scan(remote, ASSET, "parts/nothing.parquet")
    with pytest.raises(Exception, match=r"nothing\.parquet|not found|expanded") as refused:
        frame.collect()
    for told in (str(refused.value), str(storage_options())):
        assert KEY not in told
        assert SECRET not in told


def test_what_is_not_published_cannot_be_scanned(remote: Remote) -> None:
    with pytest.raises(StoreError, match="nothing is published as"):
        scan(remote, ASSET, "*.parquet")
