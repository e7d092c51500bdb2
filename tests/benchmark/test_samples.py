import json
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.benchmark.judged import DOMAINS
from agentworld_dag.benchmark.samples import read_benchmark
from agentworld_dag.errors import EvaluationError
from agentworld_dag.trajectories.agentworldbench import row as own_row


def row(domain: str = "terminal", **changes: Any) -> dict[str, Any]:
    """A documented row with what real ones hold: markers, escapes, separators that are no line ends."""
    return {
        "task": f"AgentWorldBench/{domain}",
        "id": 7,
        "prompt": ["### Turn 1\nls", "### Turn 2\ncat a\u2028b", "### Turn 3\nrm a"],
        "response": ["**Environment Observation:**\na", "red\u2028blue\x85\x1b[0m", "~$"],
        "current_prompt": "### Turn 2\ncat a\u2028b",
        "system_str": "You are a terminal.",
        "turn_idx": 2,
        "total_turns": 3,
    } | changes


def write(folder: Path, domain: str, *rows: dict[str, Any] | str) -> Path:
    lines = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in rows]
    path = folder / f"{domain}_test.jsonl"
    path.write_bytes("\n".join(lines).encode())
    return path


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_is_read(tmp_path: Path, domain: str) -> None:
    write(tmp_path, domain, row(domain))
    found = read_benchmark(tmp_path)
    assert [sample.key for sample in found.samples] == [(domain, "7", 2)]
    assert found.problems == ()


def test_a_sample_is_shown_the_true_history_and_never_the_truth(tmp_path: Path) -> None:
    write(tmp_path, "terminal", row())
    sample = read_benchmark(tmp_path).samples[0]
    assert [message["role"] for message in sample.messages()] == ["system", "user", "assistant", "user"]
    assert sample.messages()[-1]["content"] == row()["prompt"][1]
    assert sample.truth == "red\u2028blue\x85\x1b[0m"
    assert sample.truth not in str([message["content"] for message in sample.messages()])


def test_without_a_system_text_there_is_no_system_message(tmp_path: Path) -> None:
    write(tmp_path, "terminal", row(system_str="", turn_idx=1))
    assert [message["role"] for message in read_benchmark(tmp_path).samples[0].messages()] == ["user"]


FAULTS = {
    "no prompt": {name: value for name, value in row().items() if name != "prompt"},
    "unknown domain 'cooking'": row(task="cooking"),
    "turn_idx 4, but 3 prompts and 3 responses": row(turn_idx=4),
    "turn_idx 0, but 3": row(turn_idx=0),
    "turn_idx 3, but 3 prompts and 2 responses": row(turn_idx=3, response=["a", "b"]),
    "turn_idx is '2', expected a whole number": row(turn_idx="2"),
    "turn_idx is True, expected a whole number": row(turn_idx=True),
    "id is None, expected text or a whole number": row(id=None),
    "prompt is 'ls', expected a list": row(prompt="ls"),
    "a prompt or response that is no text": row(response=["a", {"image": 1}, "c"]),
    "Unterminated string": '{"task": "terminal", "id": 1, "pro',
    "list instead of a JSON object": "[1]",
    "terminal 7, turn 2 again": row(),
}


@pytest.mark.parametrize("problem", FAULTS)
def test_a_fault_is_reported_with_its_line_and_the_rest_goes_on(tmp_path: Path, problem: str) -> None:
    path = write(tmp_path, "terminal", row(), "", FAULTS[problem], row(id="last"))
    found = read_benchmark(tmp_path)
    assert [sample.id for sample in found.samples] == ["7", "last"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"{path}:3: {problem}")
    assert found.problems[0].endswith("; left out")


def test_an_empty_file_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "web", "")
    write(tmp_path, "os", row("os"))
    found = read_benchmark(tmp_path)
    assert found.problems == (f"{tmp_path / 'web_test.jsonl'}: holds no sample",)


def test_a_folder_without_samples_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"holds no \*_test.jsonl; expected one file for each of terminal"):
        read_benchmark(tmp_path)
    write(tmp_path, "web", "{")
    with pytest.raises(EvaluationError, match=r"no usable sample; first problem: .*web_test.jsonl:1"):
        read_benchmark(tmp_path)


def test_our_own_trajectories_come_back_as_they_were_written(tmp_path: Path, episode) -> None:
    trajectory = episode()
    write(tmp_path, "terminal", *(own_row(trajectory, index) for index in range(3)))
    found = read_benchmark(tmp_path)
    assert [sample.turn for sample in found.samples] == [1, 2, 3]
    assert found.samples[2].observations == tuple(own_row(trajectory, 2)["response"])
