"""A home to rehearse in: everything a finished round left, copied, so that the rehearsal touches nothing of it.

Both databases hold absolute paths, so every text in them that begins with the
old home is rewritten. Their schemas are not ours; no table is named here.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from agentworld_dag.errors import RunError
from agentworld_dag.home import Home

COPIED = ("lake", "dagster", "mlflow")


def copy_home(source: Home, target: Home) -> None:
    """Copy a home; an earlier copy is replaced. Raises RunError when there is nothing to copy."""
    if not (source.lake / "world_model_rl").is_dir():
        raise RunError(f"{source.root} holds no finished round; run `make run` first, or set AGENTWORLD_HOME")
    shutil.rmtree(target.root, ignore_errors=True)
    target.root.mkdir(parents=True)
    for name in COPIED:
        shutil.copytree(source.root / name, target.root / name, symlinks=True)
    for database in target.root.rglob("*.db"):
        _rewrite(database, str(source.root), str(target.root))


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
