"""A home to rehearse in: everything a finished round left, copied, so that the rehearsal touches nothing of it.

The databases may be open in `make ui`: SQLite copies them itself, each at one
moment. They hold absolute paths, so every text in them that begins with the
old home is rewritten. Their schemas are not ours; no table is named here.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg

from agentworld_dag.errors import RunError
from agentworld_dag.home import Home
from agentworld_dag.jobs.instance import opened
from agentworld_dag.sensors import history

COPIED = ("dagster", "mlflow", "lake")
"""Records first: what they name is in the lake by then."""
DATABASES = "*.db"
LOGS_OF_DATABASES = shutil.ignore_patterns("*.db-wal", "*.db-shm", "*.db-journal")


def copy_home(source: Home, target: Home) -> None:
    """Copy a home; an earlier copy is replaced.

    Raises RunError when there is nothing to copy or a run is in progress, StoreError while a command line works on it.
    """
    if not (source.lake / "world_model_rl").is_dir():
        raise RunError(f"{source.root} holds no finished round; run `make run` first, or set AGENTWORLD_HOME")
    with opened(source) as instance:
        _refuse_in_progress(instance, source)
        _copy(source, target)
    for database in target.root.rglob(DATABASES):
        _rewrite(database, str(source.root), str(target.root))


def _refuse_in_progress(instance: dg.DagsterInstance, source: Home) -> None:
    for run in instance.get_runs(dg.RunsFilter(statuses=history.GOING_ON), limit=1):
        raise RunError(
            f"{run.job_name} ({run.run_id}) is in progress in {source.root}; wait for it, or end it in `make ui`"
        )


def _copy(source: Home, target: Home) -> None:
    shutil.rmtree(target.root, ignore_errors=True)
    target.root.mkdir(parents=True)
    for name in COPIED:
        shutil.copytree(
            source.root / name,
            target.root / name,
            symlinks=True,
            ignore=LOGS_OF_DATABASES,
            copy_function=_copy_file,
        )
    if source.terminal_image.is_file():
        shutil.copy2(source.terminal_image, target.terminal_image)


def _copy_file(source: str, target: str) -> None:
    if not Path(source).match(DATABASES):
        shutil.copy2(source, target)
        return
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def _rewrite(database: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for column in _texts(connection, table):
                where = f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?)'
                connection.execute(where, (f"{old}/", f"{new}/", f"{old}/"))


def _texts(connection: sqlite3.Connection, table: str) -> list[str]:
    described = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    return [name for _, name, kind, *_ in described if kind.upper().startswith(("TEXT", "VARCHAR", "CHAR", "CLOB"))]
