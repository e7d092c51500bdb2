import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.drill.copying import copy_home
from agentworld_dag.errors import RunError, StoreError
from agentworld_dag.home import Home
from agentworld_dag.jobs.instance import STARTED_BY, opened
from tests.jobs.begun import begun_run, status_of


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with one artifact, and a database that names it by an absolute path."""
    for name in ("AGENTWORLD_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "set again by what is tested")
    home = Home(tmp_path / "home")
    artifact = home.lake / "world_model_rl" / "round-0001" / "abc"
    artifact.mkdir(parents=True)
    (artifact / "result.json").write_text("{}")
    home.dagster.mkdir()
    (home.root / "mlflow").mkdir()
    with closing(sqlite3.connect(home.root / "mlflow" / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE runs (artifact_uri VARCHAR(200), steps INTEGER)")
        rows = [(f"{home.root}/mlflow/artifacts/1", 5), ("s3://elsewhere/1", 6), (f"{home.root}-other/1", 7)]
        connection.executemany("INSERT INTO runs VALUES (?, ?)", rows)
    return home


def test_a_copy_names_its_own_files_and_the_source_is_left_alone(source, tmp_path):
    target = Home(tmp_path / "home" / "drill")
    copy_home(source, target)
    assert (target.lake / "world_model_rl" / "round-0001" / "abc" / "result.json").is_file()
    assert rows(target) == [
        (f"{target.root}/mlflow/artifacts/1", 5),
        ("s3://elsewhere/1", 6),
        (f"{source.root}-other/1", 7),
    ]
    assert rows(source)[0] == (f"{source.root}/mlflow/artifacts/1", 5)


def test_an_earlier_copy_is_replaced(source, tmp_path):
    target = Home(tmp_path / "drill")
    copy_home(source, target)
    (target.root / "terminal-image").write_text("talkative")
    copy_home(source, target)
    assert not (target.root / "terminal-image").exists()


def test_a_home_without_a_round_is_one_clear_error(tmp_path):
    with pytest.raises(RunError, match="holds no finished round; run `make run` first"):
        copy_home(Home(tmp_path / "empty"), Home(tmp_path / "drill"))
    assert not (tmp_path / "drill").exists()


@pytest.fixture
def written_to(source: Home) -> Iterator[None]:
    """The source's database while a server has it open: the last row is in the write-ahead log alone."""
    with closing(sqlite3.connect(source.root / "mlflow" / "mlflow.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        with connection:
            connection.execute("INSERT INTO runs VALUES ('new', 8)")
        yield


def test_a_database_that_is_open_is_copied_whole(source, written_to, tmp_path):
    target = Home(tmp_path / "drill")
    copy_home(source, target)
    assert rows(target)[-1] == ("new", 8)
    assert not list(target.root.rglob("*.db-*"))


def test_the_shell_is_the_one_the_home_had(source, tmp_path):
    source.terminal_image.write_text("talkative")
    copy_home(source, Home(tmp_path / "drill"))
    assert Home(tmp_path / "drill").terminal_image.read_text() == "talkative"


def test_a_home_with_a_run_in_progress_is_not_copied(source, tmp_path):
    with opened(source) as instance:
        run = begun_run(instance, pid=None)
    with pytest.raises(RunError, match=rf"nothing \({run.run_id}\) is in progress in .*home; wait for it"):
        copy_home(source, Home(tmp_path / "drill"))
    assert not (tmp_path / "drill").exists()


def test_a_run_that_a_killed_command_line_left_is_no_obstacle(source, tmp_path):
    with opened(source) as instance:
        run = begun_run(instance, pid=None, tags={STARTED_BY: "command line"})
    copy_home(source, Home(tmp_path / "drill"))
    with opened(Home(tmp_path / "drill")) as instance:
        assert status_of(instance, run) == dg.DagsterRunStatus.CANCELED


def test_a_home_that_a_command_line_works_on_is_not_copied(source, tmp_path):
    with (source.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="another run is using"):
            copy_home(source, Home(tmp_path / "drill"))
    assert not (tmp_path / "drill").exists()


def rows(home: Home) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(home.root / "mlflow" / "mlflow.db")) as connection:
        return connection.execute("SELECT artifact_uri, steps FROM runs ORDER BY steps").fetchall()
