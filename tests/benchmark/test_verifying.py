import json
from pathlib import Path

import pytest

from agentworld_dag.benchmark.checks import Check
from agentworld_dag.benchmark.shell_rules import Expected
from agentworld_dag.benchmark.verifying import accuracies, read_answers, verified
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Resampling

PLAN = Resampling(500, 0)
RED = Expected(("red",), 0, "~")


def check(id: str, turn: int = 1, horizon: int | None = None, rule: str = "rule") -> Check:
    return Check("terminal", id, turn, "consistency" if horizon else "error", rule, horizon, RED)


def test_a_right_answer_is_accepted_and_a_missing_one_is_wrong() -> None:
    checks = [check("a"), check("b"), check("c")]
    answers = {("terminal", "a", 1): "red\n~$", ("terminal", "b", 1): "blue\n~$"}
    rows = verified(checks, answers)
    assert [row["accepted"] for row in rows] == [True, False, False]
    assert [row["answered"] for row in rows] == [True, True, False]
    found = accuracies(rows, PLAN)
    assert found["axes"]["error"]["value"] == pytest.approx(1 / 3)
    assert (found["checks"], found["answered"]) == (3, 2)


def test_accuracy_by_axis_rule_and_distance() -> None:
    checks = [check("a"), *(check("b", turn, turn, "written") for turn in range(1, 9))]
    answers = {("terminal", "b", turn): "red\n~$" if turn < 5 else "~$" for turn in range(1, 9)}
    found = accuracies(verified(checks, answers), PLAN)
    assert {name: each["value"] for name, each in found["axes"].items()} == {"error": 0.0, "consistency": 0.5}
    assert {name: each["value"] for name, each in found["horizons"].items()} == {
        "1": 1.0, "2": 1.0, "3": 1.0, "4-5": 0.5, "6+": 0.0,
    }  # fmt: skip
    assert set(found["rules"]) == {"error/rule", "consistency/written"}
    assert found["horizons"]["6+"]["n"] == 3


def test_a_session_and_its_copy_under_an_instruction_are_one_draw() -> None:
    checks = [check(id, turn) for id in ("a", "a+root_prompt", "b") for turn in range(1, 5)]
    assert accuracies(verified(checks, {}), PLAN)["axes"]["error"]["clusters"] == 2


def test_no_checks_are_one_clear_error() -> None:
    with pytest.raises(EvaluationError, match="no check to verify"):
        accuracies([], PLAN)


def test_predictions_are_read_as_a_run_writes_them(tmp_path: Path) -> None:
    path, place = tmp_path / "predictions.jsonl", {"task": "terminal", "turn_idx": 2}
    rows = [
        {**place, "id": "a", "gen": "<think>x</think>**Environment Observation:**\nred\n~$", "failed": 0.0},
        {**place, "id": "b", "gen": "", "failed": 1.0},
        {**place, "id": "c", "gen": None, "failed": 0.0},
        {**place, "gen": "red", "failed": 0.0},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers, problems = read_answers(path)
    assert answers == {("terminal", "a", 2): "red\n~$", ("terminal", "b", 2): None}
    assert [problem.split(": ")[0] for problem in problems] == [f"{path}:3", f"{path}:4"]
    with pytest.raises(EvaluationError, match="expected predictions as"):
        read_answers(tmp_path / "none.jsonl")
