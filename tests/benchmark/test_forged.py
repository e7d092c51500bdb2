"""Predictions that cheat or are broken, through the real path: endpoint, extraction, judge, strict score."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.benchmark.extraction import predicted_observation
from agentworld_dag.benchmark.judged import JudgedRow, read_judged, sound
from agentworld_dag.benchmark.strict import dimension, total
from agentworld_dag.cli import main
from tests.benchmark.clone import write_clone
from tests.benchmark.forged import FORGED
from tests.benchmark.judged_rows import DIMENSIONS
from tests.benchmark.test_samples import row, write
from tests.endpoints.scripted_server import Said, serving

HONEST = "honest"
TRUTHS = {
    "cat: note: No such file or directory\n~[1]$": "hello\n~$",
    "docs\nlist\nlogs\nnote\npage\nplan\n" * 4 + "~$": "todo\n~$",
    "~$": "moved\n~[1]$",
}
"""What is true and the honest wrong answer to it: another error, a list too short, silence broken."""
WRONG = list(TRUTHS.values())
SAID = {(name, turn): forge(WRONG[turn - 1]) for name, forge in FORGED.items() for turn in (1, 2, 3)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A trajectory for each forgery, named in the system prompt, and an honest one; three turns each."""
    folder = tmp_path / "data"
    folder.mkdir()
    fields: dict[str, Any] = {"prompt": ["cat note", "ls", "mv a b"], "response": list(TRUTHS)}
    names = (HONEST, *FORGED)
    write(folder, "terminal", *(row(id=n, turn_idx=t, system_str=n, **fields) for n in names for t in (1, 2, 3)))
    return folder


def model(request: dict[str, Any], _: int) -> Said:
    messages = request["messages"]
    name, turn = messages[0]["content"], len(messages) // 2
    return Said(WRONG[turn - 1] if name == HONEST else SAID[name, turn])


def run(data: Path, *more: str) -> dict[tuple[str, int], JudgedRow]:
    """The judged rows by name and turn."""
    out = data.parent / "out"
    with serving(model) as server:
        assert main(
            ["bench", "run", str(data), "--out", str(out), "--model-url", server.url, "--model", "m", *more,
             "--error-budget", "1", "--bootstrap-samples", "1"]
        ) == 0  # fmt: skip
    (path,) = out.glob("judged-*/judged.jsonl")
    return {(row.sample[1], int(row.sample[2])): row for row in sound(read_judged(path)).rows}


def test_there_are_more_than_fifty_and_no_two_are_alike() -> None:
    assert len(FORGED) >= 50
    assert len({SAID[name, 1] for name in FORGED}) == len(FORGED)


def test_no_forgery_scores_above_the_honest_wrong_answer_under_the_rules(data: Path) -> None:
    rows = run(data)
    assert len(rows) == 3 * (len(FORGED) + 1)
    gained = {
        (name, turn): (total(found), total(rows[HONEST, turn]))
        for (name, turn), found in rows.items()
        if total(found) > total(rows[HONEST, turn])
    }
    assert gained == {}


def judge_values(request: dict[str, Any], _: int) -> Said:
    """A judge that compares the two values of the JSON object it is given, which nothing else may hold."""
    asked = json.loads(request["messages"][1]["content"])
    assert set(asked) == {"history", "action", "truth", "prediction"}
    return Said(
        json.dumps({"reasons": ""} | dict.fromkeys(DIMENSIONS, 5 if asked["prediction"] == asked["truth"] else 2))
    )


def test_a_judge_is_given_prediction_and_truth_intact(data: Path) -> None:
    with serving(judge_values) as judge:
        rows = run(data, "--judge-url", judge.url, "--judge", "j")
    given = [json.loads(request["messages"][1]["content"]) for request in judge.asked]
    assert {each["truth"] for each in given} == set(TRUTHS)
    assert sorted(each["prediction"] for each in given) == sorted(answers())
    assert {dimension(found, "quality") for found in rows.values()} == {0.0, 25.0}


def test_the_official_prompts_hold_prediction_and_truth_intact(data: Path) -> None:
    def judge_fences(request: dict[str, Any], _: int) -> Said:
        prediction, truth = fenced(request["messages"][1]["content"])
        value = 5 if prediction == truth else 2
        return Said(f"<final_evaluation>{json.dumps({'scores': dict.fromkeys(DIMENSIONS, value)})}</final_evaluation>")

    prompts = str(write_clone(data.parent / "clone"))
    with serving(judge_fences) as judge:
        rows = run(data, "--judge-url", judge.url, "--judge", "j", "--judge-prompts", prompts)
    given = [fenced(request["messages"][1]["content"]) for request in judge.asked]
    assert {truth for _, truth in given} == set(TRUTHS)
    assert sorted(prediction for prediction, _ in given) == sorted(answers())
    assert {dimension(found, "quality") for found in rows.values()} == {0.0, 25.0}


def answers() -> list[str]:
    """What there is to judge, of every sample."""
    said = [*WRONG, *(predicted_observation(each) for each in SAID.values())]
    return [each for each in said if each is not None]


def fenced(message: str) -> tuple[str, str]:
    """Prediction and truth as a strict reader of fences finds them: the block right below each heading."""
    blocks, heading, fence, held = {}, "", "", []
    for line in re.split(r"(?<=\n)", message):
        if fence and re.fullmatch(rf"{fence}`*\s*", line):
            assert heading not in blocks, f"{heading} twice"
            blocks[heading], fence = "".join(held)[:-1], ""
        elif fence:
            held.append(line)
        elif opened := re.match(r"`{3,}", line):
            fence, held = opened[0], []
        elif line.startswith("**"):
            heading = line.strip()
    assert not fence
    return blocks["**World Model Output (Simulated):**"], blocks["**Ground Truth (Real Output):**"]
