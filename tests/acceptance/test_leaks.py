"""A secret is found wherever it was written."""

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.acceptance.leaks import files, rows, search

SECRETS = ("0123456789abcdef", "swordfish-swordfish")


def test_a_secret_in_a_log_is_found(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "run.log").write_text(f"connecting with {SECRETS[1]}\n")
    (tmp_path / "quiet.log").write_text("connecting\n")
    told = search(files(tmp_path), SECRETS)
    assert (told.searched, told.found) == (2, ("logs/run.log",))


def test_a_secret_in_a_session_is_found_though_parquet_compresses_it(tmp_path: Path) -> None:
    turns = [{"action": "env", "observation": f"AWS_ACCESS_KEY_ID={SECRETS[0]}\n" * 20}]
    pl.DataFrame({"turns": [turns]}).write_parquet(tmp_path / "rows.parquet", compression="gzip", statistics=False)
    assert SECRETS[0].encode() not in (tmp_path / "rows.parquet").read_bytes()
    assert search(files(tmp_path), SECRETS).found == ("rows.parquet",)


@pytest.mark.parametrize("value", [f"url=//u:{SECRETS[1]}@host", zlib.compress(SECRETS[0].encode() * 3)])
def test_a_secret_in_a_database_is_found(tmp_path: Path, value: str | bytes) -> None:
    with closing(sqlite3.connect(tmp_path / "record.db")) as connection, connection:
        connection.execute("CREATE TABLE events (id INTEGER, body BLOB)")
        connection.executemany("INSERT INTO events VALUES (?, ?)", [(1, "nothing"), (2, value), (3, b"\x00\xff")])
    told = search(rows(f"sqlite:///{tmp_path / 'record.db'}"), SECRETS)
    assert (told.searched, told.found) == (3, ("table events",))
