"""What makes a turn unacceptable; that a good one is accepted is shown by the loop itself."""

from pathlib import Path

import pytest

from agentworld_dag.acceptance.evidence import Made, contents
from agentworld_dag.acceptance.findings import Finding, reuse, table
from agentworld_dag.lake.shared import SharedLake
from tests.lake.bucket import make_artifact


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_artifact(tmp_path)


def held(folder: Path, tmp_path: Path, reused_first: bool = False, reused: bool = True, damage: str = "") -> list[bool]:
    first, second = {"a": Made(folder, reused_first)}, {"a": Made(folder, reused)}
    before = contents(first)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(damage)
    return [finding.holds for finding in reuse(first, second, before, SharedLake(tmp_path / "lake", None))]


def test_everything_as_it_should_be(folder: Path, tmp_path: Path) -> None:
    assert held(folder, tmp_path) == [True, True, True]


def test_a_first_turn_that_made_nothing_shows_nothing(folder: Path, tmp_path: Path) -> None:
    assert held(folder, tmp_path, reused_first=True) == [False, True, True]


def test_what_was_trained_again_is_not_accepted(folder: Path, tmp_path: Path) -> None:
    assert held(folder, tmp_path, reused=False) == [True, False, True]


def test_an_artifact_with_other_bytes_did_not_come_back(folder: Path, tmp_path: Path) -> None:
    assert held(folder, tmp_path, damage="{}") == [True, True, False]


def test_the_table_names_what_was_not_seen() -> None:
    told = table([Finding("turns", "2", True), Finding("secrets", "run.log", False)]).splitlines()
    assert told == ["", "ok      turns    2", "NOT OK  secrets  run.log"]
