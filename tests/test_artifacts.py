import errno
import json
import shutil
from collections import namedtuple

import pytest

from agentworld_dag.artifacts import fingerprint, is_complete, naming_full_disk, read_result, write_json
from agentworld_dag.errors import StoreError


def test_fingerprint_depends_on_content_and_not_on_order():
    assert fingerprint("a", {"x": 1, "y": 2}) == fingerprint("a", {"y": 2, "x": 1})
    assert fingerprint("a", {"x": 1}) != fingerprint("a", {"x": 2})
    assert fingerprint("a", None) != fingerprint("a", 0)


def test_written_json_is_whole_and_leaves_nothing_beside_it(tmp_path):
    write_json(tmp_path / "result.json", {"metrics": {"a": 1}})
    assert json.loads((tmp_path / "result.json").read_text()) == {"metrics": {"a": 1}}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_only_a_result_makes_a_folder_complete(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    assert not is_complete(tmp_path)
    with pytest.raises(StoreError, match="has not finished; run it again"):
        read_result(tmp_path)


def test_torn_result_is_named(tmp_path):
    (tmp_path / "result.json").write_text('{"metr')
    with pytest.raises(StoreError, match="delete the folder and run its stage again"):
        read_result(tmp_path)


def test_full_disk_is_named_whatever_the_library_calls_it(tmp_path, monkeypatch):
    with (
        pytest.raises(StoreError, match="no space left on the disk that holds"),
        naming_full_disk(tmp_path / "a" / "b"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(RuntimeError, match="disk I/O error"), naming_full_disk(tmp_path):
        raise RuntimeError("disk I/O error")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("Usage", "free")(0))
    with pytest.raises(StoreError, match="finished stages are kept"), naming_full_disk(tmp_path):
        raise RuntimeError("disk I/O error")
