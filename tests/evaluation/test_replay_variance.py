import polars as pl
import pytest

from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.replay_variance import disagreement, luck, outcomes, replay_section, standard_deviation

PLAN = Resampling(200, 0)


def replays(*episodes: tuple[str, ...]) -> pl.DataFrame:
    """One tuple per episode, one word per replay: `x` a right answer, any other letter a wrong one."""
    rows = [
        {
            "temperature": 1.0,
            "trajectory_id": f"trajectory-{i}",
            "replay": replay,
            "turn_index": turn,
            "observation": mark,
            "exact": mark == "x",
            "failed": False,
            "seed": 0,
        }
        for i, words in enumerate(episodes)
        for replay, word in enumerate(words)
        for turn, mark in enumerate(word)
    ]
    return pl.DataFrame(rows)


def test_an_outcome_is_the_exact_share_of_an_episode_in_one_replay() -> None:
    assert outcomes(replays(("xx", "x."), ("..", ".x")))["share"].to_list() == [1, 0.5, 0, 0.5]


def test_standard_deviation_is_the_root_of_the_mean_variance_over_replays() -> None:
    found = standard_deviation(replays(("xx", "x."), ("..", "..")), PLAN)
    assert found is not None
    assert found.value == pytest.approx((0.125 / 2) ** 0.5)


def test_luck_is_all_where_replays_differ_and_none_where_only_episodes_do() -> None:
    dice = luck(replays(*[("x", "."), (".", "x")] * 10), PLAN)
    actions = luck(replays(*[("x", "x"), (".", ".")] * 10), PLAN)
    assert dice is not None
    assert actions is not None
    assert (dice.value, actions.value) == (1, 0)


def test_luck_needs_outcomes_that_vary() -> None:
    assert luck(replays(("x", "x"), ("x", "x")), PLAN) is None


def test_two_wrong_answers_that_differ_are_a_disagreement() -> None:
    assert disagreement(replays(("xa", "xb"), ("x", "x")))["differs"].to_list() == [False, True, False]


def test_each_temperature_has_its_numbers() -> None:
    rows = replays(("xx", "x."), ("xx", "xx"))
    both = pl.concat([rows, rows.with_columns(temperature=pl.lit(0.0), exact=pl.lit(True), observation=pl.lit("x"))])
    found = replay_section(both, PLAN)
    assert (found["0"]["turns_that_differ"]["value"], found["1"]["turns_that_differ"]["value"]) == (0, 0.25)
    assert replay_section(rows.clear(), PLAN) == {}
