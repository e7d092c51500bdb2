"""Trajectories as Parquet: one row per episode, nested exactly as `schema` nests them.

Files are written whole or not at all (temporary name, fsync, rename), so a
kill or a full disk never leaves half a file under a final name. Reading is
lazy. Each file seals its own bytes with a SHA-256 in the footer, because
Parquet as polars writes it has no checksum and a flipped bit can pass for
data; `read_part` verifies it, `scan_trajectories` looks at the footer only.
Appending, partitioning and remote stores are left out: a store is a
folder of parts, and where the folder lives is the lake's business.
"""

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from agentworld_dag.errors import StoreError, TrajectoryError
from agentworld_dag.trajectories.schema import Provenance, SystemPrompt, Trajectory, Turn

SCHEMA_VERSION = "1"
"""Raised when a column changes meaning; a file of another version is refused."""

TURN = pl.Struct({"action": pl.String, "observation": pl.String, "state": pl.String, "consulted": pl.String})
SYSTEM = pl.Struct(dict.fromkeys(SystemPrompt.__dataclass_fields__, pl.String))
PROVENANCE = pl.Struct(dict.fromkeys(Provenance.__dataclass_fields__, pl.String) | {"seed": pl.Int64})
COLUMNS = pl.Schema(
    {
        "id": pl.String,
        "domain": pl.String,
        "kind": pl.String,
        "system": SYSTEM,
        "turns": pl.List(TURN),
        "outcome": pl.String,
        "provenance": PROVENANCE,
        "task": pl.String,
        "failure": pl.String,
    }
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_VERSION_KEY = "agentworld_schema_version"
_SEAL = b"agentworld_seal_sha256:"
_UNSEALED = b"0" * 64


def write_trajectories(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """Write one file, whole or not at all.

    Raises StoreError where it cannot be written, TrajectoryError on text that is not UTF-8.
    """
    write_frame(path, to_frame(trajectories))


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame that holds at least the trajectory columns; others (a reason) ride along."""
    # Encoded in memory first: polars reports a full disk as a ComputeError without an errno.
    encoded = io.BytesIO()
    seal = (_SEAL + _UNSEALED).decode()
    frame.write_parquet(encoded, metadata={_VERSION_KEY: SCHEMA_VERSION, "agentworld_seal": seal})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, _sealed(encoded.getvalue()))
    except OSError as error:
        raise _write_error(path, error) from error


def scan_trajectories(path: Path) -> pl.LazyFrame:
    """A lazy frame over one file, or over every part of a folder in the order of their names.

    Footers are checked here, so a truncated or foreign file raises StoreError at once.
    """
    files = part_files(path)
    for file in files:
        check_footer(file)
    return pl.scan_parquet(files)


def read_trajectories(path: Path) -> list[Trajectory]:
    """Every trajectory under `path`. Raises StoreError naming the file that cannot be read."""
    return [trajectory for file in part_files(path) for trajectory in read_part(file)]


def read_part(file: Path) -> list[Trajectory]:
    """The trajectories of one file. Raises StoreError naming it where its footer or its pages are damaged."""
    content = _content(file)
    sealed = _SEAL in content
    if sealed and content != _sealed(content):  # before polars sees it: damaged pages can make it panic
        raise _corrupt(file, "its bytes do not match the checksum they were written with")
    check_footer(file)
    if not sealed:
        raise _corrupt(file, "its checksum is gone")
    try:
        return from_frame(pl.read_parquet(io.BytesIO(content), columns=list(COLUMNS)))
    except (pl.exceptions.PolarsError, OSError, TypeError) as error:
        raise _corrupt(file, error) from error


def part_files(path: Path) -> list[Path]:
    """`path` itself, or the Parquet files of that folder. Raises StoreError where there is none."""
    files = [path] if path.is_file() else sorted(path.glob("*.parquet"))
    if not files:
        raise StoreError(f"no Parquet file at {path}; make it first: materialize the asset that writes it")
    return files


def check_footer(file: Path) -> None:
    """Raises StoreError unless `file` has a whole footer, this schema version and its columns."""
    try:
        version = pl.read_parquet_metadata(file).get(_VERSION_KEY)
        schema = pl.read_parquet_schema(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _corrupt(file, error) from error
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{file} has trajectory schema version {version}, this code reads {SCHEMA_VERSION}; delete it and the "
            "result.json of its artifact, then run again: the stage that wrote it makes it again"
        )
    if wrong := [name for name, kind in COLUMNS.items() if schema.get(name) != kind]:
        raise _corrupt(file, f"columns missing or of another type: {', '.join(wrong)}")


def to_frame(trajectories: Iterable[Trajectory]) -> pl.DataFrame:
    """One row per trajectory in the columns of `COLUMNS`."""
    rows = list(trajectories)
    nested = {
        "system": [vars(row.system) for row in rows],
        "turns": [[vars(turn) for turn in row.turns] for row in rows],
        "provenance": [vars(row.provenance) for row in rows],
    }
    flat = {name: [getattr(row, name) for row in rows] for name in COLUMNS if name not in nested}
    try:
        return pl.DataFrame({**flat, **nested}, schema_overrides=COLUMNS).select(list(COLUMNS))
    except UnicodeEncodeError as error:
        raise TrajectoryError(
            f"a trajectory holds text that is not UTF-8 ({error}); decode with errors='replace'"
        ) from error


def from_frame(frame: pl.DataFrame) -> list[Trajectory]:
    """The inverse of `to_frame`; columns beyond the schema are left out."""
    return [_trajectory(row) for row in frame.select(list(COLUMNS)).iter_rows(named=True)]


def _trajectory(row: dict[str, Any]) -> Trajectory:
    nested = {
        "system": SystemPrompt(**row["system"]),
        "turns": tuple(Turn(**turn) for turn in row["turns"]),
        "provenance": Provenance(**row["provenance"]),
    }
    return Trajectory(**{**row, **nested})


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {file}: {error}; check its permissions and run again") from error


def _sealed(content: bytes) -> bytes:
    """The file with the digest of its other bytes in the place kept for it, the last one: earlier ones are data."""
    start = content.rindex(_SEAL) + len(_SEAL)
    head, tail = content[:start], content[start + len(_UNSEALED) :]
    return head + hashlib.sha256(head + tail).hexdigest().encode() + tail


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _corrupt(file: Path, why: object) -> StoreError:
    return StoreError(
        f"{file} is not a whole trajectory file ({why}); delete it and the result.json of its artifact, "
        "then run again: the stage that wrote it makes it again"
    )


def _write_error(path: Path, error: OSError) -> StoreError:
    if error.errno not in _FULL:
        return StoreError(f"cannot write {path}: {error}; check the permissions of {path.parent} and run again")
    free_mb = shutil.disk_usage(path.parent).free / 1e6
    return StoreError(
        f"no room to write {path} ({error.strerror}; {free_mb:.1f} MB free on its file system); free some space "
        "or move AGENTWORLD_HOME, then run again: nothing already written is lost"
    )
