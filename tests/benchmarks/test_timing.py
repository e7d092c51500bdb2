import pytest

from agentworld_dag.errors import RunError
from benchmarks.speed.timing import last_quarter, timed


def record(*steps: dict[str, float]) -> dict:
    return {"steps": [{"step": number, **logs} for number, logs in enumerate(steps, 1)], "peak_gib": 1.5}


def test_the_warm_up_is_in_no_rate_but_its_loss_is_kept():
    found = timed(
        record(
            {"at": 0.0, "num_tokens": 10, "loss": 6.0},
            {"at": 100.0, "num_tokens": 20, "loss": 5.0},
            {"at": 101.0, "num_tokens": 40, "loss": 4.0},
            {"at": 104.0, "num_tokens": 80, "loss": 3.0},
        ),
        warm_up=2,
        value="loss",
    )
    assert (found.steps, found.seconds, found.tokens) == (2, 4.0, 60)
    assert found.tokens_per_s == 15.0
    assert found.values == (6.0, 5.0, 4.0, 3.0)
    assert found.peak_gib == 1.5


def test_steps_that_were_not_logged_count_with_the_next_that_was():
    found = timed(
        record(
            {"at": 0.0, "num_tokens": 10, "loss": 6.0},
            {"at": 1.0},
            {"at": 2.0, "num_tokens": 30, "loss": 5.0},
        ),
        warm_up=1,
        value="loss",
    )
    assert (found.steps, found.tokens, found.values) == (2, 20, (6.0, 5.0))


def test_what_a_policy_wrote_is_rows_times_mean_length():
    steps = [{"at": float(n), "num_tokens": 100 * n, "reward": 0.5, "completions/mean_length": 8.0} for n in range(3)]
    assert timed(record(*steps), warm_up=1, value="reward", answers_per_step=4).written == 2 * 4 * 8.0


def test_too_few_steps_are_refused():
    with pytest.raises(RunError, match="take more steps"):
        timed(record({"at": 0.0, "num_tokens": 1, "loss": 1.0}), warm_up=1, value="loss")


def test_the_last_quarter_of_few_values_is_the_last_one():
    assert last_quarter([3.0, 2.0]) == 2.0
    assert last_quarter([9.0] * 6 + [2.0, 4.0]) == 3.0
