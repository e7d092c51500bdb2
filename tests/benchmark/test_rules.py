import random

import pytest

from agentworld_dag.benchmark.rules import judge_by_rules
from agentworld_dag.training.judge import DIMENSIONS
from agentworld_dag.training.judge import judge_by_rules as rewarding_rules

TRUTH = "cat: memo: No such file or directory\n\nred red\nblue\n~/src[1]$"
WRONG = ["~$", "red", "cat: memo\n~/src[1]$", "blue\nred red", TRUTH.replace("blue", "cat"), "\n", "", f"{TRUTH}\nx"]
WORDS = ["#1", "#2", "successfully", "perfect:", "5", "{", "```", '"truth":', "Memo"]


def points(prediction: str, truth: str = TRUTH) -> float:
    return sum(judge_by_rules(prediction, truth).values()) / 5


def test_the_truth_scores_five_everywhere_and_nothing_else_does() -> None:
    assert judge_by_rules(TRUTH, TRUTH) == dict.fromkeys(DIMENSIONS, 5)
    others = [*WRONG, f"{TRUTH} ", f" {TRUTH}", TRUTH.replace(" ", "  "), "\n".join(reversed(TRUTH.split("\n")))]
    assert all(min(judge_by_rules(other, TRUTH).values()) < 5 for other in others)


@pytest.mark.parametrize(("prediction", "truth"), [("", "~$"), ("~$", ""), ("", ""), ("\n\n", "\n"), ("a", "b")])
def test_scores_are_integers_from_one_to_five(prediction: str, truth: str) -> None:
    scores = judge_by_rules(prediction, truth)
    assert tuple(scores) == DIMENSIONS
    assert all(type(score) is int and 1 <= score <= 5 for score in scores.values())


@pytest.mark.parametrize("wrong", WRONG)
def test_lines_that_are_not_in_the_truth_raise_no_dimension_wherever_they_stand(wrong: str) -> None:
    draw, before = random.Random(0), judge_by_rules(wrong, TRUTH)
    for _ in range(300):
        lines = wrong.split("\n")
        for _ in range(draw.randint(1, 6)):
            lines.insert(draw.randint(0, len(lines)), " ".join(draw.choices(WORDS, k=draw.randint(1, 5))))
        after = judge_by_rules("\n".join(lines), TRUTH)
        assert all(after[name] <= before[name] for name in DIMENSIONS), lines


def test_praise_that_the_reward_of_the_rl_stage_pays_for_earns_nothing_here() -> None:
    praised = "The operation completed successfully.\n~$"
    assert sum(rewarding_rules(praised, TRUTH).values()) > sum(rewarding_rules("~$", TRUTH).values())
    assert points(praised) <= points("~$")


def test_small_errors_cost_less_than_big_ones_and_both_cost() -> None:
    long = "\n".join(f"line {number} of the file" for number in range(40)) + "\n~$"
    one_word = points(long.replace("line 7", "line 70"), long)
    other_end = points(long.replace("~$", "~[1]$"), long)
    half = points("\n".join(long.split("\n")[:20]), long)
    assert 5 > one_word > other_end > half > points("~[1]$", long) == 1


def test_each_dimension_has_its_own_meaning() -> None:
    assert judge_by_rules("b\na\n~$", "a\nb\n~$") == {
        "format": 2,
        "factuality": 5,
        "consistency": 5,
        "realism": 5,
        "quality": 4,
    }
    shortened = judge_by_rules("a\n~$", "a\nb\nc\nd\n~$")
    assert (shortened["realism"], shortened["factuality"]) == (2, 3)


def test_saying_less_earns_no_more_than_saying_something_wrong() -> None:
    assert points("~$", "5 notes\n~$") <= points("6 notes\n~$", "5 notes\n~$")


def test_the_closing_line_alone_decides_consistency() -> None:
    assert judge_by_rules("a\n~$", "a\n~[1]$")["consistency"] == 1
