import json
from pathlib import Path

import pytest

from agentworld_dag.benchmark.results import ResultsFile
from agentworld_dag.errors import EvaluationError

ONE = {"task": "terminal", "id": "a", "turn_idx": 1, "gen": "red\u2028blue"}
TWO = {"task": "terminal", "id": "a", "turn_idx": 2, "gen": "x"}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def test_rows_are_there_as_soon_as_they_are_added(tmp_path: Path) -> None:
    with ResultsFile(tmp_path / "r.jsonl", {}) as results:
        results.add(ONE)
        assert lines(results.path) == [ONE]
    with ResultsFile(tmp_path / "r.jsonl", {}) as results:
        assert list(results.rows().values()) == [ONE]


def test_a_line_cut_short_by_a_kill_is_dropped_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsFile(path, {}):
        pass
    path.write_bytes(json.dumps(ONE).encode() + b"\n" + json.dumps(TWO).encode()[:20])
    with ResultsFile(path, {}) as results:
        results.add(TWO)
    assert lines(path) == [ONE, TWO]


def test_a_later_row_replaces_an_earlier_one_of_its_sample(tmp_path: Path) -> None:
    again = ONE | {"gen": "better"}
    with ResultsFile(tmp_path / "r.jsonl", {}) as results:
        for row in (ONE, TWO, again):
            results.add(row)
    assert lines(results.path) == [again, TWO]


def test_other_settings_are_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsFile(path, {"model": "a", "temperature": 0.0}) as results:
        results.add(ONE)
    with (
        pytest.raises(EvaluationError, match=r"made with model 'a' instead of 'b'; name another folder"),
        ResultsFile(path, {"model": "b", "temperature": 0.0}),
    ):
        pass
    assert lines(path) == [ONE]


def test_a_folder_that_holds_nothing_yet_takes_other_settings(tmp_path: Path) -> None:
    with ResultsFile(tmp_path / "r.jsonl", {"model": "typo"}):
        pass
    with ResultsFile(tmp_path / "r.jsonl", {"model": "right"}) as results:
        results.add(ONE)
    assert lines(results.path) == [ONE]


def test_two_runs_cannot_write_at_once(tmp_path: Path) -> None:
    with (
        ResultsFile(tmp_path / "r.jsonl", {}),
        pytest.raises(EvaluationError, match="another run writes to"),
        ResultsFile(tmp_path / "r.jsonl", {}),
    ):
        pass


def test_rows_of_another_program_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"gen": "of the official script"}')
    with pytest.raises(EvaluationError, match="was not made by a run"), ResultsFile(path, {}):
        pass
    assert path.read_text() == '{"gen": "of the official script"}'


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(EvaluationError, match=r"cannot write to .*; name another folder"):
        ResultsFile(tmp_path / "out" / "r.jsonl", {}).__enter__()


def test_half_a_surrogate_pair_comes_back_and_the_file_stays_unicode(tmp_path: Path) -> None:
    row = ONE | {"gen": "a\ud800\u2028b"}
    with ResultsFile(tmp_path / "r.jsonl", {}) as results:
        results.add(row)
    results.path.read_bytes().decode()
    with ResultsFile(tmp_path / "r.jsonl", {}) as results:
        assert list(results.rows().values()) == [row]
