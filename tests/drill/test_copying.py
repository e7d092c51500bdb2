import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agentworld_dag.drill.copying import copy_home
from agentworld_dag.errors import RunError
from agentworld_dag.home import Home


@pytest.fixture
def source(tmp_path: Path) -> Home:
    """A home with one artifact, and a database that names it by an absolute path."""
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


def rows(home: Home) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(home.root / "mlflow" / "mlflow.db")) as connection:
        return connection.execute("SELECT artifact_uri, steps FROM runs ORDER BY steps").fetchall()
