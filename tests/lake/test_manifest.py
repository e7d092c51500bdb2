"""What names a version, and which manifests are refused."""

import json
from pathlib import Path

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.manifest import manifest_of, parse_manifest
from tests.lake.bucket import make_artifact


def test_the_name_follows_from_the_bytes_and_no_lock_is_in_it(tmp_path: Path) -> None:
    first, same = manifest_of(make_artifact(tmp_path / "a")), manifest_of(make_artifact(tmp_path / "b"))
    assert set(first.files) == {"checkpoint/model.safetensors", "empty", "metrics.jsonl", "result.json"}
    assert first.content == same.content != manifest_of(make_artifact(tmp_path / "c", "two")).content
    assert parse_manifest(first.as_json(), "here") == first


def test_hidden_files_are_content_and_locks_and_files_half_written_are_not(tmp_path: Path) -> None:
    content = {"optimizer_0/.metadata", "optimizer_0/__0_0.distcp", ".env/x", ".v1.x"}
    aside = {".lock", ".result.json.4711", "parts/.a.parquet.12.tmp", ".checkpoint.aside/model.safetensors"}
    aside |= {"trainer/.checkpoint-5.fetch-lock", "trainer/.checkpoint-5.fetching/x", ".x.replaced/y", ".nfs00a7000001"}
    for name in content | aside:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert set(manifest_of(tmp_path).files) == content


@pytest.mark.parametrize("path", ["../result.json", "/etc/passwd", "a/../../b"])
def test_a_manifest_that_names_files_elsewhere_is_refused(path: str) -> None:
    content = json.dumps({"files": {path: {"size": 1, "sha256": "0"}}}).encode()
    with pytest.raises(StoreError, match="names a file outside of its version"):
        parse_manifest(content, "s3://b/manifest.json")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"files": 3}', b'{"files": {"a": {"size": 1}}}'])
def test_what_is_no_manifest_is_named(content: bytes) -> None:
    with pytest.raises(StoreError, match=r"s3://b/manifest\.json is no manifest"):
        parse_manifest(content, "s3://b/manifest.json")
