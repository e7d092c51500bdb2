"""Trajectories as Parquet: one row per episode, nested exactly as `schema` nests them.

Files are written whole or not at all (temporary name, fsync, rename), so a
kill or a full disk never leaves half a file under a final name. They are
streamed both ways, ROWS rows at a time, so a file may be larger than memory.
Each seals its own bytes (`seal`): whoever reads rows verifies that,
`scan_trajectories` looks at the footer only.
Appending, partitioning and remote stores are left out: a store is a
folder of parts, and where the folder lives is the lake's business.
"""

import errno
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from agentworld_dag.errors import StoreError, TrajectoryError
from agentworld_dag.trajectories import seal
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

ROWS = 1_000
"""Trajectories that are held at a time."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_VERSION_KEY = "agentworld_schema_version"


def write_trajectories(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """Write one file, whole or not at all.

    Raises StoreError where it cannot be written, TrajectoryError on text that is not UTF-8.
    """
    write_frame(path, to_frame(trajectories))


def write_frame(path: Path, frame: pl.DataFrame | pl.LazyFrame) -> None:
    """Write the rows of a frame, or of a query as they come, whole or not at all.

    It holds at least the trajectory columns; others (a reason) ride along. Raises StoreError where the file
    cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sink(temporary, frame.lazy())
        seal.seal(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)


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
    return list(iterate(path))


def iterate(path: Path) -> Iterator[Trajectory]:
    """The same one after the other, of which ROWS are held at a time."""
    for file in part_files(path):
        yield from iterate_part(file)


def iterate_part(file: Path) -> Iterator[Trajectory]:
    """The trajectories of one file. Raises StoreError naming it where its footer or its pages are damaged."""
    check_whole(file)
    scanned = pl.scan_parquet(file).select(list(COLUMNS))
    try:
        for start in range(0, scanned.select(pl.len()).collect().item(), ROWS):
            yield from from_frame(scanned.slice(start, ROWS).collect())
    except (pl.exceptions.PolarsError, OSError, TypeError) as error:
        raise _corrupt(file, error) from error


def check_whole(file: Path) -> None:
    """Raises StoreError unless `file` has the bytes and the footer it was written with."""
    try:
        whole = seal.is_whole(file)
    except OSError as error:
        raise StoreError(f"cannot read {file}: {error}; check its permissions and run again") from error
    if whole is False:  # before polars sees it: damaged pages can make it panic
        raise _corrupt(file, "its bytes do not match the checksum they were written with")
    check_footer(file)
    if whole is None:
        raise _corrupt(file, "its checksum is gone")


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


class _Target(io.FileIO):
    """A new file that remembers why it could not be written: polars reports that as an error of its own."""

    error: OSError | None = None

    def __init__(self, path: Path) -> None:
        super().__init__(path, "wb")

    def write(self, content: bytes, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            return super().write(content)
        except OSError as error:
            self.error = error
            raise


def _sink(path: Path, frame: pl.LazyFrame) -> None:
    """Raises OSError."""
    with _Target(path) as file:
        try:
            frame.sink_parquet(file, metadata={_VERSION_KEY: SCHEMA_VERSION, **seal.METADATA}, row_group_size=ROWS)
        except pl.exceptions.PolarsError as error:
            raise file.error or error from error


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
