import json
from dataclasses import replace
from pathlib import Path

import pytest

from agentworld_dag.benchmark.checks import Check, accepts, parsed, read_checks, write_checks
from agentworld_dag.benchmark.shell_rules import Expected
from agentworld_dag.errors import EvaluationError

ERROR = Expected(("cat: memo: No such file or directory",), 1, "~/docs")
CHECK = Check("terminal", "e1", 3, "error", "absent_path_error", None, ERROR)


@pytest.mark.parametrize(
    "answer",
    [
        "cat: memo: No such file or directory\n~/docs[1]$",
        "\ncat: memo: No such file or directory  \n~/docs[1]$\n",
    ],
)
def test_the_answer_is_accepted_with_blank_space_around(answer: str) -> None:
    assert accepts(CHECK, answer)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "~/docs[1]$",
        "cat: memo: No such file or directory",
        "cat: memo: No such file or directory\n~/docs$",
        "cat: memo: No such file or directory\n~/docs[2]$",
        "cat: memo: No such file or directory\n~[1]$",
        "cat: memo: No such file or directory\n~/docs[1]#",
        "cat: note: No such file or directory\n~/docs[1]$",
        "cat: memo: No such file or directory\nred\n~/docs[1]$",
        "cat: memo: No such file or directory\n~/docs[1]$\n~/docs[1]$",
        "cat: memo: No such file or directory\n~/docs[01]$",
        "cat: memo: no such file or directory\n~/docs[1]$",
    ],
)
def test_any_other_answer_is_rejected(answer: str | None) -> None:
    assert not accepts(CHECK, answer)


def test_typographic_quotes_are_those_of_another_locale() -> None:
    check = replace(CHECK, expected=Expected(("mkdir: cannot create directory 'a': File exists",), 1, "~"))
    assert accepts(check, "mkdir: cannot create directory \u2018a\u2019: File exists\n~[1]$")


def test_what_is_none_is_not_looked_at() -> None:
    check = replace(CHECK, expected=Expected(None, 1, None))
    assert accepts(check, "anything\n~/src[1]$")
    assert not accepts(check, "anything\n~/src$")


@pytest.mark.parametrize(
    ("observation", "found"),
    [
        ("~$", Expected((), 0, "~")),
        ("a\n\nb\n/tmp[127]#", Expected(("a", "", "b"), 127, "/tmp", "#")),
        ("no prompt", None),
        ("a ~$", None),
        ("~[0]$", None),
    ],
)
def test_an_observation_is_taken_apart(observation: str, found: Expected | None) -> None:
    assert parsed(observation) == found


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    checks = (CHECK, replace(CHECK, axis="consistency", horizon=4, expected=Expected(None, 0, "~", "#")))
    write_checks(tmp_path / "checks.jsonl", checks)
    assert read_checks(tmp_path / "checks.jsonl") == (checks, ())


def test_a_bad_line_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "checks.jsonl"
    write_checks(path, [CHECK])
    good = path.read_text()
    row = json.loads(good)
    bad = ["{", json.dumps(row | {"turn_idx": "3"}), json.dumps(row | {"axis": "beauty"}), json.dumps({"task": "x"})]
    path.write_text(good + "\n".join(bad) + "\n" + good)
    checks, problems = read_checks(path)
    assert checks == (CHECK, CHECK)
    assert [problem.split(": ")[0] for problem in problems] == [f"{path}:{line}" for line in (2, 3, 4, 5)]
    assert "turn: Input should be a valid integer" in problems[1]
    with pytest.raises(EvaluationError, match="expected checks as"):
        read_checks(tmp_path / "none.jsonl")
