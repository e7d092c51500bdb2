from pathlib import Path

import pytest

from agentworld_dag.benchmark.judged import read_judged, sound
from agentworld_dag.errors import EvaluationError

GOOD = '{"task": "terminal", "id": "a", "turn_idx": 1, "gen": "x\u2028y"}'


def written(tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "judged.jsonl").write_text("\n".join(lines))
    return tmp_path / "judged.jsonl"


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    found = read_judged(written(tmp_path, GOOD, "", GOOD.replace('"a"', '"b"')))
    assert [row.line for row in found.rows] == [1, 3]
    assert found.rows[0].fields["gen"] == "x\u2028y"
    assert not found.problems


def test_what_cannot_be_used_is_named_with_file_and_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        GOOD,
        '{"task": "terminal", "id": "b", "turn_',
        '["a list"]',
        '{"task": "cooking", "id": "c", "turn_idx": 1}',
        '{"task": "web", "turn_idx": 1}',
        GOOD,
        '{"task": "agentworld/os", "id": "d", "turn_idx": 2}',
    )
    found = sound(read_judged(path))
    assert [row.sample for row in found.rows] == [("terminal", "a", "1"), ("os", "d", "2")]
    problems = [problem.removeprefix(f"{path}:") for problem in found.problems]
    assert problems[0].startswith("2: ")
    assert problems[1:] == [
        "3: list instead of a JSON object; left out",
        "4: unknown domain 'cooking', expected one of terminal, swe, mcp, search, web, os, android; left out",
        "5: no id; left out",
        "6: the sample of line 1 again; left out",
    ]


@pytest.mark.parametrize("lines", [(), ("no json",)])
def test_a_file_without_a_row_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(EvaluationError, match="holds no judged row"):
        read_judged(written(tmp_path, *lines))


def test_a_file_without_a_row_that_can_be_placed_is_refused(tmp_path: Path) -> None:
    judged = read_judged(written(tmp_path, '{"task": "cooking", "id": "c", "turn_idx": 1}'))
    with pytest.raises(EvaluationError, match=r"holds no usable row; first problem: .*:1: unknown domain 'cooking'"):
        sound(judged)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"cannot read .*nix.jsonl: No such file"):
        read_judged(tmp_path / "nix.jsonl")
