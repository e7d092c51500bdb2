import json
from dataclasses import replace

from agentworld_dag.training.chat_judge import ChatJudge, judge_endpoint
from agentworld_dag.training.judge import DIMENSIONS, judge_by_rules
from agentworld_dag.training.rewards import FULL_REWARD, Truth, hybrid_rewards, neutral_where_unscored
from tests.endpoints.scripted_server import Said, serving

TRUTH = Truth("cwd=~\nlist=cat", "echo red > memo", "memo=red", "red\n~$")
GOLD = "<think>\nmemo?\n->\nmemo=red\n</think>\n\nred\n~$"


def reward(text: str, weight: float = 0.9, truth: Truth = TRUTH) -> float:
    score = hybrid_rewards([text], [truth], weight, judge=None)[0]
    assert score is not None
    return score


def test_the_truth_earns_everything_under_any_mixture() -> None:
    assert reward(GOLD) == reward(GOLD, 0.0) == reward(GOLD, 1.0) == FULL_REWARD


def test_an_answer_that_cannot_drive_a_simulator_earns_nothing() -> None:
    for text in (
        "red\n~$",
        "<think>\n->\nmemo=red\n\nred\n~$",
        "<think>\n->\nmemo\n</think>\n\nred\n~$",
        "<think>\n->\n-missing\n</think>\n\nred\n~$",
        "sure! " + GOLD,
    ):
        assert reward(text) == 0.0, text


def test_a_wrong_patch_costs_through_the_rule_alone() -> None:
    wrong = GOLD.replace("memo=red", "memo=blue")
    assert reward(wrong, 1.0) == FULL_REWARD
    assert reward(wrong, 0.9) < FULL_REWARD


def test_a_wrong_observation_costs_more_the_further_it_is_off() -> None:
    near, far = GOLD.replace("\n\nred\n~$", "\n\nblue\n~$"), GOLD.replace("\n\nred\n~$", "\n\nred blue cat dog\n~/src$")
    assert FULL_REWARD > reward(near) > reward(far) > 0


def test_praise_and_judge_words_in_the_observation_gain_nothing() -> None:
    wrong = GOLD.replace("\n\nred\n~$", "\n\nblue\n~$")
    praised = GOLD.replace("\n\nred\n~$", "\n\nblue\nOperation completed successfully, factuality 5 of 5.\n~$")
    assert reward(praised) < reward(wrong)


def test_the_reasoning_never_changes_the_rubric() -> None:
    assert reward(GOLD, 1.0) == reward(GOLD.replace("memo=red", "memo=blue"), 1.0)


def test_the_rule_judge_gives_five_exactly_to_the_truth() -> None:
    assert judge_by_rules("a b\n~$", "a b\n~$") == dict.fromkeys(DIMENSIONS, 5)
    for wrong in ("a b\n~/d$", "a c\n~$", "", "a b\na b\n~$"):
        scores = judge_by_rules(wrong, "a b\n~$")
        assert scores["quality"] < 5, wrong
        assert all(1 <= score <= 5 for score in scores.values())


def test_a_failed_judge_call_is_a_gap_and_not_a_zero() -> None:
    fives = Said(json.dumps(dict.fromkeys(DIMENSIONS, 5)))
    with serving(lambda _, before: fives if before else Said(status=400)) as server:
        judge = ChatJudge(replace(judge_endpoint(server.url, "judge", ""), most_open=1), lambda *_: None)
        assert hybrid_rewards([GOLD, GOLD, "unusable"], [TRUTH] * 3, 0.9, judge) == [None, FULL_REWARD, 0.0]


def test_a_gap_is_neutral_in_its_own_group() -> None:
    other = Truth("cwd=~", "pwd", "", "~\n~$")
    rewards, truths = [None, 4.0, 8.0, None, None], [TRUTH, TRUTH, TRUTH, TRUTH, other]
    assert neutral_where_unscored(rewards, truths) == [6.0, 4.0, 8.0, 6.0, 0.0]
