"""`agentworld bench` as a person calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agentworld_dag import cli
from tests.benchmark.judged_rows import DIMENSIONS, judged_rows, write

ROWS = [
    {"task": domain, "id": number // 5, "turn_idx": number % 5 + 1, "failed": 0.0} | dict.fromkeys(DIMENSIONS, score)
    for domain, score in (("terminal", 4), ("web", 2))
    for number in range(50)
]


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    write(tmp_path / "judged.jsonl", ROWS)
    return tmp_path / "judged.jsonl"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["bench", *arguments]) == 0
    return capsys.readouterr().out


def test_official_scores_as_json_have_the_promised_shape(tmp_path: Path, capsys) -> None:
    write(tmp_path / "quirks.jsonl", judged_rows())
    found = json.loads(said(capsys, "score", str(tmp_path / "quirks.jsonl"), "--protocol", "official", "--json"))
    assert set(found) == {"domains", "overall"}
    assert set(found["domains"]["terminal"]) == {*DIMENSIONS, "total_score", "valid", "failed"}


def test_strict_scores_as_a_table(judged: Path, capsys) -> None:
    lines = said(capsys, "score", str(judged)).splitlines()
    assert [line.split()[0] for line in lines] == ["domain", "terminal", "web", "macro", "micro"]
    assert "75.00 [75.00, 75.00]" in lines[1]
    assert lines[3].split()[1] == "50.00"


def test_two_files_are_compared_on_what_they_share(judged: Path, tmp_path: Path, capsys) -> None:
    write(tmp_path / "fewer.jsonl", ROWS[:70])
    found = json.loads(said(capsys, "compare", str(judged), str(tmp_path / "fewer.jsonl"), "--json"))
    assert (found["difference"]["value"], found["shared"], found["only_first"]) == (0, 70, 30)


def test_too_many_failures_are_one_error_and_exit_code_1(judged: Path, tmp_path: Path, caplog) -> None:
    failed = [{"task": "os", "id": number, "turn_idx": 1, "failed": 1.0} for number in range(2)]
    write(tmp_path / "failed.jsonl", [*ROWS, *failed])
    assert cli.main(["bench", "score", str(tmp_path / "failed.jsonl")]) == 1
    assert "EvaluationError: 2 of 102 rows have no usable judgement" in caplog.text
    assert cli.main(["bench", "score", str(tmp_path / "failed.jsonl"), "--error-budget", "0.02"]) == 0


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [("--seed", "-1", "ConfigError: seed -1"), ("--bootstrap-samples", "0", "ConfigError: --bootstrap-samples 0")],
)
def test_a_bootstrap_that_cannot_be_drawn_is_one_error(judged: Path, caplog, flag: str, value: str, told: str) -> None:
    assert cli.main(["bench", "score", str(judged), flag, value]) == 1
    assert told in caplog.text


def test_the_command_is_installed(judged: Path) -> None:
    agentworld = Path(sys.executable).with_name("agentworld")
    done = subprocess.run([agentworld, "bench", "score", judged, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["overall"] == 50
