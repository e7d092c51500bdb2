"""What names a version, and which manifests are refused."""

import json
from pathlib import Path

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.manifest import manifest_of, parse_manifest
from tests.lake.bucket import make_artifact


def test_the_name_follows_from_the_bytes_and_nothing_hidden_is_in_it(tmp_path: Path) -> None:
    first, same = manifest_of(make_artifact(tmp_path / "a")), manifest_of(make_artifact(tmp_path / "b"))
    assert set(first.files) == {"checkpoint/model.safetensors", "empty", "metrics.jsonl", "result.json"}
    assert first.content == same.content != manifest_of(make_artifact(tmp_path / "c", "two")).content
    assert parse_manifest(first.as_json(), "here") == first


@pytest.mark.parametrize("path", ["../result.json", "/etc/passwd", "a/../../b"])
def test_a_manifest_that_names_files_elsewhere_is_refused(path: str) -> None:
    content = json.dumps({"files": {path: {"size": 1, "sha256": "0"}}}).encode()
    with pytest.raises(StoreError, match="names a file outside of its version"):
        parse_manifest(content, "s3://b/manifest.json")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"files": 3}', b'{"files": {"a": {"size": 1}}}'])
def test_what_is_no_manifest_is_named(content: bytes) -> None:
    with pytest.raises(StoreError, match=r"s3://b/manifest\.json is no manifest"):
        parse_manifest(content, "s3://b/manifest.json")
