"""The lake of several machines, each with a local folder that is a cache of one remote."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.remote import Remote
from agentworld_dag.lake.shared import SharedLake, opened
from tests.lake.bucket import ASSET, files, make_artifact
from tests.lake.proxy import Proxy

Machine = Callable[[str], SharedLake]


def test_what_one_machine_published_is_complete_for_another(machine: Machine, tmp_path: Path) -> None:
    a, b = machine("a"), machine("b")
    made, folder = make_artifact(tmp_path / "a"), b.root / ASSET
    assert not b.is_complete(folder)
    a.publish(made)
    assert b.is_complete(folder)
    assert b.read_result(folder)["by"] == "one"
    assert b.read(folder, "metrics.jsonl") == '{"text": "one"}\n'
    assert b.read(folder, "nothing") is None
    assert not folder.exists()
    assert b.pulled(folder / ".." / folder.name)
    assert files(folder) == files(made)


def test_what_is_here_is_never_asked_for(machine: Machine, tmp_path: Path, proxy: Proxy) -> None:
    lake, folder = machine("a"), make_artifact(tmp_path / "a")
    assert lake.is_complete(folder)
    assert lake.pull(folder)
    assert lake.read_result(folder)["by"] == "one"
    assert lake.read(folder, "nothing") is None
    assert not proxy.requests


def test_what_is_published_nowhere_is_named(machine: Machine) -> None:
    lake = machine("a")
    assert not lake.pull(lake.root / ASSET)
    with pytest.raises(StoreError, match="has not finished; run it again"):
        lake.read_result(lake.root / ASSET)
    with pytest.raises(StoreError, match="is gone, here and in the lake's remote"):
        lake.pulled(lake.root / ASSET)


def test_an_unfinished_folder_is_not_published(machine: Machine, tmp_path: Path, proxy: Proxy) -> None:
    folder = make_artifact(tmp_path / "a")
    (folder / "result.json").unlink()
    assert machine("a").publish(folder) == ""
    assert not proxy.requests


def test_one_that_came_second_is_told_so(machine: Machine, tmp_path: Path) -> None:
    machine("a").publish(make_artifact(tmp_path / "a", "one"))
    second = make_artifact(tmp_path / "b", "two")
    assert machine("b").publish_if_missing(second) == ""
    assert "first and its version stands; this one lies beside it" in machine("b").publish(second)
    assert machine("c").read_result(tmp_path / "c" / "lake" / ASSET)["by"] == "one"
    assert machine("b").read_result(second)["by"] == "two"


def test_folders_outside_of_the_lake_stay_here(machine: Machine, tmp_path: Path, proxy: Proxy) -> None:
    lake = machine("a")
    outside = make_artifact(tmp_path / "by hand")
    assert lake.publish(outside) == ""
    assert lake.publish_if_missing(outside) == ""
    assert lake.read_result(outside)["by"] == "one"
    assert not lake.is_complete(tmp_path / "out")
    assert not proxy.requests


def test_the_environment_names_the_lake(
    url: str, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = opened()
    assert lake.root == tmp_path / "home" / "lake"
    assert lake.remote and lake.remote.url == url
    monkeypatch.delenv("AGENTWORLD_LAKE")
    assert opened() == SharedLake(tmp_path / "home" / "lake", None)
