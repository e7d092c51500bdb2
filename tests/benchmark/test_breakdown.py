import json
from pathlib import Path

import pytest

from agentworld_dag.benchmark.action_type import action_type
from agentworld_dag.benchmark.breakdown import breakdown, turn_group
from agentworld_dag.benchmark.judged import JudgedRow, Judgements
from agentworld_dag.benchmark.samples import BenchSample
from agentworld_dag.cli import main
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Resampling
from tests.benchmark.judged_rows import DIMENSIONS, write
from tests.benchmark.test_samples import row
from tests.benchmark.test_samples import write as write_samples

PLAN = Resampling(100, 0)


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("ls -la", "ls"),
        ("### Turn 3\n**Action:**\n```\ncat a | sort\n```", "cat"),
        ("### Turn 3\n**Action:**\n````bash\n/usr/bin/grep -r '```' .\n````", "grep"),
        ("sudo LANG=C apt-get install x", "apt-get"),
        ("A=1 B=2 make", "make"),
        ('{"keystrokes": "python3 a.py\\n", "duration": 1}', "python3"),
        ('{"name": "fs.read_file", "arguments": {"name": "x"}}', "fs.read_file"),
        ('<tool_call>\n{"name": "search", "arguments": {}}\n</tool_call>', "search"),
        ('[{"function": {"name": "get_page", "arguments": "{}"}}]', "get_page"),
        ('{"action_type": "click", "x": 1}', "click"),
        ("click(12, 40)", "click"),
        ('{"broken": ', "broken"),
        ("{" * 100_000, "(none)"),
        ("", "(none)"),
        ("```\n\n```", "(none)"),
        ("x" * 100, "x" * 24),
        ('{"name": "\\u001b[2J"}', "2J"),
    ],
)
def test_the_kind_of_an_action_is_its_tool_or_its_command(action: str, kind: str) -> None:
    assert action_type(action) == kind


def test_turns_fall_in_four_groups() -> None:
    assert [turn_group(turn) for turn in (1, 2, 3, 4, 6, 7, 90)] == ["first", "2-3", "2-3", "4-6", "4-6", "7+", "7+"]


def sample(id: str, turn: int, action: str) -> BenchSample:
    return BenchSample("terminal", id, turn, 9, "", (action,) * turn, ("x",) * turn)


def judged(*rows: tuple[str, int, int | None]) -> Judgements:
    """Rows of (trajectory, turn, score); None failed."""
    made = [
        JudgedRow(n, "terminal", {"id": i, "turn_idx": t, "failed": float(s is None)} | dict.fromkeys(DIMENSIONS, s))
        for n, (i, t, s) in enumerate(rows, start=1)
    ]
    return Judgements(Path("judged.jsonl"), tuple(made), ())


def test_scores_are_split_by_turn_and_action_and_a_failure_costs_there_too() -> None:
    samples = [sample("a", 1, "ls"), sample("a", 3, "cat x"), sample("b", 1, "cat y"), sample("b", 8, "cat z")]
    found = breakdown(judged(("a", 1, 5), ("a", 3, 3), ("b", 1, None), ("b", 8, 1)), samples, PLAN)
    assert {name: (s["value"], s["n"], s["failed"]) for name, s in found["turn"].items()} == {
        "first": (50.0, 2, 1),
        "2-3": (50.0, 1, 0),
        "7+": (0.0, 1, 0),
    }
    assert list(found["action"]) == ["cat", "ls"]
    assert found["action"]["cat"]["value"] == pytest.approx(50 / 3)
    assert found["action"]["cat"]["clusters"] == 2


def test_rows_of_other_samples_are_counted_and_left_out() -> None:
    found = breakdown(judged(("a", 1, 5), ("other", 1, 1)), [sample("a", 1, "ls")], PLAN)
    assert (found["not_in_data"], found["turn"]["first"]["value"]) == (1, 100.0)
    with pytest.raises(EvaluationError, match="holds no row of a sample in the benchmark given"):
        breakdown(judged(("other", 1, 1)), [sample("a", 1, "ls")], PLAN)


@pytest.fixture
def scored(tmp_path: Path) -> list[str]:
    """The command that scores a small file, with its benchmark beside."""
    write_samples(tmp_path, "terminal", *(row(id=i, turn_idx=turn) for i in range(4) for turn in (1, 2, 3)))
    rows = [
        {"task": "terminal", "id": i, "turn_idx": turn, "failed": 0.0, "total_score": 6 - turn}
        | dict.fromkeys(DIMENSIONS, 6 - turn)
        for i in range(4)
        for turn in (1, 2, 3)
    ]
    write(tmp_path / "judged.jsonl", rows)
    return ["bench", "score", str(tmp_path / "judged.jsonl"), "--data", str(tmp_path)]


def test_the_table_shows_turns_and_actions_below_the_scores(scored: list[str], capsys) -> None:
    assert main(scored) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split()[0]: line.split()[1] for line in lines if line}
    assert (shown["first"], shown["2-3"]) == ("100.00", "62.50")
    assert (shown["ls"], shown["cat"], shown["rm"]) == ("100.00", "75.00", "50.00")


def test_both_protocols_come_side_by_side(scored: list[str], capsys) -> None:
    assert main([*scored, "--protocol", "both", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"strict", "official"}
    assert found["strict"]["breakdown"]["action"]["rm"]["value"] == 50.0
    assert (found["strict"]["overall"], found["official"]["overall"]) == (75.0, 75.0)
    assert main([*scored, "--protocol", "both"]) == 0
    titles = [line for line in capsys.readouterr().out.splitlines() if line in ("strict", "official")]
    assert titles == ["strict", "official"]


def test_the_official_protocol_knows_no_breakdown(scored: list[str], caplog) -> None:
    assert main([*scored, "--protocol", "official"]) == 1
    assert "--data goes with --protocol strict or both" in caplog.text
