"""Content-addressed artifact folders: what a stage made, found again by what it was made from.

    <home>/lake/<asset>/<round>/<fingerprint>/    result.json written last

`result.json` is the mark of completeness and the record of the stage: its
metrics, its timing and where its inputs lay. A folder without it is the work
of a stage that was cut short, and the next run of that stage resumes in it.
Nothing here deletes or overwrites a complete folder.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentworld_dag.errors import StoreError

RESULT = "result.json"
METRICS = "metrics.jsonl"
"""What a stage logs of its steps."""
UNRECORDED = "unrecorded.json"
FINGERPRINT_CHARS = 12
FULL_BELOW_BYTES = 1 << 20


def fingerprint(*parts: object) -> str:
    """Digest of everything an artifact depends on; parts are JSON-able, key order does not matter."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_CHARS]


def is_complete(folder: Path) -> bool:
    return (folder / RESULT).is_file()


def read_result(folder: Path) -> dict[str, Any]:
    """The record of a complete artifact. Raises StoreError when it is missing or cannot be parsed."""
    path = folder / RESULT
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise StoreError(f"no {RESULT} in {folder}: the stage that makes it has not finished; run it again") from error
    except ValueError as error:
        raise StoreError(f"{path} is not JSON ({error}); delete the folder and run its stage again") from error


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `path` whole or not at all, and durably."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with naming_full_disk(path), beside.open("w") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `path` whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with naming_full_disk(path):
        beside.write_text(text)
    beside.replace(path)


def make_durable(folder: Path, but: str) -> None:
    """Have all that is in a folder survive a power cut, except what lies below `but`."""
    paths = sorted(path for path in folder.rglob("*") if path.relative_to(folder).parts[0] != but)
    for path in (*(path for path in paths if path.is_file() or path.is_dir()), folder):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Turn what a full disk causes into a StoreError that says so; other errors pass."""
    try:
        yield
    except Exception as error:
        if not _for_want_of_space(error, path):
            raise
        raise StoreError(
            f"no space left on the disk that holds {path}; free some and run again, finished stages are kept"
        ) from error


def _for_want_of_space(error: Exception, path: Path) -> bool:
    """SQLite, Parquet and safetensors report a full disk each in words of their own: then the disk itself tells."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    folder = next(parent for parent in (path, *path.parents) if parent.is_dir())
    return shutil.disk_usage(folder).free < FULL_BELOW_BYTES
