import json
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.benchmark.official_prompts import final_scores, official_prompts
from agentworld_dag.benchmark.samples import BenchSample
from agentworld_dag.errors import ConfigError
from tests.benchmark.clone import TEMPLATE, write_clone
from tests.benchmark.judged_rows import DIMENSIONS

FOURS = dict.fromkeys(DIMENSIONS, 4)
SAMPLE = BenchSample("terminal", "a", 2, 2, "system", ("ls", "cat a"), ("a", "{context} red"))


def answer(scores: Any, before: str = "") -> str:
    return f"{before}<final_evaluation>\n```json\n{json.dumps({'scores': scores})}\n```\n</final_evaluation>"


def test_an_honest_answer_is_shown_in_the_official_layout(tmp_path: Path) -> None:
    prompts = official_prompts(write_clone(tmp_path), ["terminal"])
    system, user = prompts.messages(SAMPLE, "blue {0}", SAMPLE.truth)
    assert system["content"].startswith("Judge of terminal.")
    assert user["content"].startswith(
        "# Context (Historical Interactions):\n\nls\na\n\n\n\n# Current Turn:\n\ncat a\n\n"
        "**World Model Output (Simulated):**\n```\nblue {0}\n```\n\n"
        "**Ground Truth (Real Output):**\n```\n{context} red\n```\n\nJudge it."
    )


def test_a_first_turn_has_no_context(tmp_path: Path) -> None:
    first = BenchSample("terminal", "a", 1, 2, "", ("ls",), ("a",))
    (_, user) = official_prompts(write_clone(tmp_path), ["terminal"]).messages(first, "a", "a")
    assert user["content"].startswith("# Current Turn:")


@pytest.mark.parametrize(("text", "fence"), [("a ``` b", 4), ("`````", 6), ("``", 3)])
def test_the_fence_is_longer_than_any_in_prediction_or_truth(tmp_path: Path, text: str, fence: int) -> None:
    prompts = official_prompts(write_clone(tmp_path), ["terminal"])
    for prediction, truth in ((text, "x"), ("x", text)):
        asked = prompts.messages(SAMPLE, prediction, truth)[1]["content"]
        for value in (prediction, truth):
            assert f"\n{'`' * fence}\n{value}\n{'`' * fence}\n" in asked


@pytest.mark.parametrize("opened", ["```\nnever closed", "~~~\nnever closed"])
def test_a_fence_left_open_earlier_does_not_swallow_what_follows(tmp_path: Path, opened: str) -> None:
    sample = BenchSample("terminal", "a", 2, 2, "", ("ls", "cat a"), (opened, "red"))
    asked = official_prompts(write_clone(tmp_path), ["terminal"]).messages(sample, "x", "red")[1]["content"]
    fence = "````" if opened[0] == "`" else "```"
    assert f"ls\n{fence}\n{opened}\n{fence}\n" in asked


@pytest.mark.parametrize("before", ["", "I think so.\n", 'It says "<final_evaluation>{}</final_evaluation>".\n'])
def test_the_scores_are_those_of_the_block_at_the_end(before: str) -> None:
    assert final_scores(answer(FOURS, before)) == FOURS
    assert final_scores(f"{before}<final_evaluation>{json.dumps({'scores': FOURS})}</final_evaluation>\n") == FOURS


@pytest.mark.parametrize(
    "said",
    [
        "5 of 5",
        json.dumps({"scores": FOURS}),
        answer(FOURS) + " is what it wrote about itself; I stop here.",
        answer(FOURS, "The prediction holds ") + "\n<final_evaluation>",
        answer(FOURS).removesuffix("</final_evaluation>"),
        answer({"format": 5}),
        answer(FOURS | {"realism": 0}),
        answer(FOURS | {"realism": -1}),
        answer(FOURS | {"realism": "5"}),
        answer(FOURS | {"realism": 4.5}),
        answer(FOURS | {"realism": 4.0}),
        answer(FOURS | {"realism": True}),
        answer(FOURS | {"realism": 6}),
        answer([5, 5, 5, 5, 5]),
        answer(None),
        "<final_evaluation>{'scores': 5,}</final_evaluation>",
    ],
)
def test_an_answer_without_five_integers_from_1_to_5_is_none(said: str) -> None:
    with pytest.raises(ValueError):
        final_scores(said)


def test_prompts_of_another_content_have_another_name(tmp_path: Path) -> None:
    folder = write_clone(tmp_path / "one")
    same = write_clone(tmp_path / "same")
    other = write_clone(tmp_path / "other", TEMPLATE.replace("Judge it.", "Judge it well."))
    names = [official_prompts(each, ["web"]).judge("gpt") for each in (folder, same, other)]
    (folder / "web" / "judge_system_prompt.txt").write_text("Be kind.")
    names.append(official_prompts(folder, ["web"]).judge("gpt"))
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert names[0].startswith("gpt-prompts-")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda clone: (clone / "prompts/web/judge_system_prompt.txt").unlink(), "cannot read .*web/judge_system"),
        (lambda clone: (clone / "prompts/web/judge_system_prompt.txt").write_text("\n"), "is empty"),
        (lambda clone: (clone / "prompts/web/judge_system_prompt.txt").write_bytes(b"\xff"), "cannot read"),
        (lambda clone: (clone / "eval/lwm_eval_utils/task_configs.py").unlink(), "in a whole clone"),
        (lambda clone: (clone / "eval/lwm_eval_utils/task_configs.py").write_text("A = 1"), "has no JUDGE_USER_PROMPT"),
        (
            lambda clone: (clone / "eval/lwm_eval_utils/task_configs.py").write_text("JUDGE_USER_PROMPT = '{truth}'"),
            "has no JUDGE_USER_PROMPT with context",
        ),
        (lambda clone: (clone / "eval/lwm_eval_utils/task_configs.py").write_text("def"), "that can be read"),
        (lambda clone: (clone / "eval/lwm_eval_utils/task_configs.py").write_text("JUDGE_USER_PROMPT = f()"), "has no"),
        (lambda clone: (clone / "eval/lwm_eval_utils/task_configs.py").write_text("JUDGE_USER_PROMPT = '{'"), "has no"),
    ],
)
def test_a_clone_that_is_not_whole_is_one_clear_error(tmp_path: Path, spoil: Any, told: str) -> None:
    folder = write_clone(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ConfigError, match=told):
        official_prompts(folder, ["web"])
