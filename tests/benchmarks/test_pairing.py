import numpy as np
import pytest

from benchmarks.speed.pairing import Interval, mean, ratio, shown, table, verdict


def test_a_ratio_is_the_geometric_mean_of_its_pairs():
    found = ratio([2.0, 8.0], [1.0, 1.0])
    assert found.value == pytest.approx(4.0)
    assert found.low < 4.0 < found.high


def test_a_machine_that_is_slower_for_one_pair_does_not_widen_the_ratio():
    found = ratio([20.0, 2.0, 200.0], [10.0, 1.0, 100.0])
    assert (found.low, found.value, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_an_interval_of_three_pairs_holds_the_truth_about_95_times_in_100():
    draw = np.random.default_rng(0)
    found = [ratio(np.exp(draw.normal(0.5, 0.1, 3)).tolist(), [1.0] * 3) for _ in range(1000)]
    held = sum(each.low < np.exp(0.5) < each.high for each in found)
    assert 930 <= held <= 970


def test_one_repetition_has_no_interval():
    assert str(mean([1234.0])) == "1,234"
    assert str(ratio([3.0], [2.0])) == "1.50"


def test_an_aim_is_met_when_the_whole_interval_is_above_it():
    assert verdict(Interval(2.0, 1.5, 2.5), 1.5) == "1.5: met"
    assert verdict(Interval(1.6, 1.2, 2.0), 1.5) == "1.5: open"
    assert verdict(Interval(1.2, 1.0, 1.4), 1.5) == "1.5: not met"
    assert verdict(mean([9.0]), 1.5) == "1.5: open"


def test_repetitions_that_do_not_pair_up_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


def test_numbers_are_shown_with_three_figures():
    assert [shown(number) for number in (0.01234, 1.5, 20, 123.4, 98765.4)] == [
        "0.0123",
        "1.50",
        "20.0",
        "123",
        "98,765",
    ]


def test_a_table_is_markdown():
    assert table(("a", "b"), [[1, 2]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
