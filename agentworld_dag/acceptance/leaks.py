"""Where a secret can be read that nobody should find: in files, in a bucket, in a database.

Parquet and what Dagster compresses in its database are looked into. Secrets
that were encoded are not recognised.
"""

import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from agentworld_dag.lake.remote import Remote


@dataclass(frozen=True)
class Search:
    """How many contents were looked into, and the names of those in which a secret occurs."""

    searched: int
    found: tuple[str, ...]


def search(named: Iterable[tuple[str, bytes]], secrets: Sequence[str]) -> Search:
    wanted = [secret.encode() for secret in secrets]
    told = [(name, any(secret in content for secret in wanted)) for name, content in named]
    return Search(len(told), tuple(name for name, leaks in told if leaks))


def files(root: Path) -> Iterable[tuple[str, bytes]]:
    """Of every file below a folder: its path, and what can be read in it."""
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        yield str(path.relative_to(root)), _readable(path.read_bytes())


def objects(remote: Remote) -> Iterable[tuple[str, bytes]]:
    """The same of every object below a remote's prefix."""
    for path in remote.files.find(remote.url.removeprefix("s3://")):
        content: Any = remote.files.cat_file(path)
        yield path, _readable(content)


def rows(url: str) -> Iterable[tuple[str, bytes]]:
    """Of every row of a database: its table, and all of its columns as text."""
    from sqlalchemy import MetaData, create_engine, select

    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine)
    try:
        with engine.connect() as connection:
            for table in tables.tables.values():
                for row in connection.execute(select(table)):
                    yield f"table {table.name}", b"\n".join(_text(value) for value in row)
    finally:
        engine.dispose()


def _readable(content: bytes) -> bytes:
    if content[:4] != b"PAR1":
        return content
    return pl.read_parquet(io.BytesIO(content)).write_ndjson().encode()


def _text(value: Any) -> bytes:
    if not isinstance(value, bytes | memoryview):
        return str(value).encode()
    try:
        return zlib.decompress(bytes(value))
    except zlib.error:
        return bytes(value)
