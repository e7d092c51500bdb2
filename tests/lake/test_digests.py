"""Digests of files, in one piece and in parts."""

import hashlib
from pathlib import Path

import pytest

from agentworld_dag.lake.digests import etag_of, sha256_of


@pytest.mark.parametrize("size", [0, 1, 19, 20, 21, 35])
def test_an_etag_is_of_the_whole_or_of_the_parts(tmp_path: Path, size: int) -> None:
    path, content = tmp_path / "file", bytes(range(size))
    path.write_bytes(content)
    etag, sha256 = etag_of(path, 10)
    assert sha256 == hashlib.sha256(content).hexdigest() == sha256_of(path)
    if size < 20:
        assert etag == hashlib.md5(content).hexdigest()
    else:
        parts = [hashlib.md5(content[start : start + 10]).digest() for start in range(0, size, 10)]
        assert etag == f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"
