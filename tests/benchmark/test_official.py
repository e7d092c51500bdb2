import json
from pathlib import Path

import pytest

from agentworld_dag.benchmark.judged import JudgedRow, read_judged
from agentworld_dag.benchmark.official import official_scores
from agentworld_dag.errors import EvaluationError
from tests.benchmark.judged_rows import judged_rows, write

PRINTED = Path(__file__).with_name("official_scores.json")
"""What the official script at cd0aa83 printed for `judged_rows()`; made by `official_scores.py`."""


def test_every_number_is_the_official_scripts(tmp_path: Path) -> None:
    write(tmp_path / "judged.jsonl", judged_rows())
    found = official_scores(read_judged(tmp_path / "judged.jsonl").rows)
    shown = {
        domain: {name: value if name in ("valid", "failed") else f"{value:.2f}" for name, value in scores.items()}
        for domain, scores in found["domains"].items()
    }
    printed = json.loads(PRINTED.read_text())
    assert shown == printed["domains"]
    assert f"{found['overall']:.2f}" == printed["overall"]


def test_a_score_that_is_no_number_is_named_with_its_line() -> None:
    row = JudgedRow(7, "web", {"task": "web", "failed": 0.0, "format": "4.5"})
    with pytest.raises(EvaluationError, match=r"line 7: format is '4.5'.*--protocol strict"):
        official_scores([row])


def test_without_a_valid_row_there_is_no_overall_number() -> None:
    assert official_scores([JudgedRow(1, "web", {"failed": 1.0})]) == {
        "domains": {"web": {"valid": 0, "failed": 1}},
        "overall": None,
    }
