"""The lake on a real S3 server, where one is installed (`make s3`)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.acceptance.servers import CEPH, scripted
from agentworld_dag.artifacts import is_complete
from agentworld_dag.errors import StoreError
from agentworld_dag.lake.fetching import fetch
from agentworld_dag.lake.publishing import publish
from agentworld_dag.lake.remote import Remote, connected
from agentworld_dag.lake.scanning import scan
from agentworld_dag.lake.shared import SharedLake
from agentworld_dag.lake.unfinished import pull_last_checkpoint, push_checkpoint
from tests.acceptance.installed import ceph_is_here
from tests.lake.bucket import ASSET, MIB, files, make_artifact
from tests.lake.test_publishing import publisher

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ceph_is_here(), reason="no Ceph gateway here; `make s3` installs one"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that name it."""
    with scripted(CEPH, tmp_path_factory.mktemp("ceph")) as variables:
        yield variables


@pytest.fixture
def remote(server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    connected.cache_clear()
    yield replace(connected(f"{server['AGENTWORLD_LAKE']}/{tmp_path.name}"), part_bytes=5 * MIB)
    connected.cache_clear()


def test_a_version_goes_there_and_back(remote: Remote, tmp_path: Path) -> None:
    folder, target = make_artifact(tmp_path / "a", size=11 * MIB), tmp_path / "b" / "lake" / ASSET
    assert publish(remote, folder, ASSET)
    assert publish(remote, folder, ASSET)
    assert fetch(remote, ASSET, target, is_complete)
    assert files(target) == files(folder)


def test_of_two_writers_at_once_one_wins_every_time(remote: Remote, tmp_path: Path) -> None:
    for turn in range(3):
        there = replace(remote, url=f"{remote.url}/{turn}")
        folders = [make_artifact(tmp_path / str(turn) / name, name) for name in ("a", "b")]
        writers = [publisher(there, folder) for folder in folders]
        said = [writer.communicate(timeout=60)[0].strip() for writer in writers]
        assert sorted(said) == ["second", "won"]
        target = tmp_path / str(turn) / "there"
        assert fetch(there, ASSET, target, is_complete)
        assert files(target) == files(folders[said.index("won")])


def test_checkpoints_come_and_go(remote: Remote, tmp_path: Path) -> None:
    a, b = (SharedLake(tmp_path / name / "lake", remote) for name in ("a", "b"))
    for step in (5, 10, 15):
        folder = a.root / ASSET / "trainer" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "model").write_text(str(step))
        push_checkpoint(folder, a)
    assert pull_last_checkpoint(b.root / ASSET / "trainer", lake=b) == b.root / ASSET / "trainer" / "checkpoint-15"
    assert len(remote.names(f"{ASSET}/unfinished/trainer")) == 2
    a.publish(make_artifact(tmp_path / "c"))


def test_polars_reads_it(remote: Remote, tmp_path: Path) -> None:
    folder = make_artifact(tmp_path / "a")
    pl.DataFrame({"row": range(1000)}).write_parquet(folder / "rows.parquet")
    publish(remote, folder, ASSET)
    assert scan(remote, ASSET, "*.parquet").select(pl.col("row").sum()).collect().item() == 499500


def test_a_wrong_secret_is_refused_in_one_clear_line(
    remote: Remote, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    connected.cache_clear()
    with pytest.raises(StoreError, match=r"may not be used with these keys \(SignatureDoesNotMatch\)") as refused:
        connected(server["AGENTWORLD_LAKE"]).read("key")
    assert server["AWS_ACCESS_KEY_ID"] not in str(refused.value)


def test_a_missing_bucket_is_named(remote: Remote) -> None:
    with pytest.raises(StoreError, match="s3://nowhere does not exist: make the bucket"):
        connected("s3://nowhere").read("key")
