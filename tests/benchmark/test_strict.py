from pathlib import Path

import pytest

from agentworld_dag.benchmark.judged import JudgedRow, Judgements
from agentworld_dag.benchmark.strict import compared, strict_scores, usable
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Resampling
from tests.benchmark.judged_rows import DIMENSIONS

PLAN = Resampling(500, 0)
FIVES = dict.fromkeys(DIMENSIONS, 5)


def judged(*rows: tuple[str, int, dict]) -> Judgements:
    """Rows of (domain, trajectory, fields), each a turn of its own."""
    made = [
        JudgedRow(n, domain, {"task": domain, "id": trajectory, "turn_idx": n, "failed": 0.0, **fields})
        for n, (domain, trajectory, fields) in enumerate(rows, start=1)
    ]
    return Judgements(Path("judged.jsonl"), tuple(made), ())


@pytest.mark.parametrize(
    "quirk",
    [
        {"failed": 1.0},
        {"format": 0},
        {"format": None},
        {"format": -1},
        {"format": 6},
        {"format": 4.5},
        {"format": True},
        {"format": "5"},
    ],
    ids=str,
)
def test_a_judgement_that_is_not_five_integers_scores_the_minimum(quirk: dict) -> None:
    rows = judged(("web", 1, FIVES), ("web", 2, FIVES | {"total_score": 5.0} | quirk))
    assert not usable(rows.rows[1])
    found = strict_scores(rows, PLAN, error_budget=0.5)
    assert found["overall"] == 50
    assert {found["domains"]["web"][name] for name in DIMENSIONS} == {50}
    assert (found["domains"]["web"]["valid"], found["domains"]["web"]["failed"], found["coverage"]) == (1, 1, 0.5)


def test_macro_weighs_domains_and_micro_rows() -> None:
    rows = judged(("web", 1, FIVES), *(("os", n, dict.fromkeys(DIMENSIONS, 1)) for n in range(3)))
    found = strict_scores(rows, PLAN)
    assert (found["macro"]["value"], found["micro"]["value"]) == (50, 25)


def test_turns_of_one_trajectory_are_one_draw() -> None:
    turns = [FIVES if n < 10 else dict.fromkeys(DIMENSIONS, 1) for n in range(20)]
    apart = strict_scores(judged(*(("web", n, fields) for n, fields in enumerate(turns))), PLAN)["micro"]
    together = strict_scores(judged(*(("web", n // 5, fields) for n, fields in enumerate(turns))), PLAN)["micro"]
    assert together["clusters"] == 4
    assert together["high"] - together["low"] > 1.5 * (apart["high"] - apart["low"])


def test_above_the_error_budget_there_is_no_score() -> None:
    rows = judged(*(("web", n, FIVES) for n in range(98)), *(("web", n, {"failed": 1.0}) for n in (98, 99)))
    assert strict_scores(rows, PLAN, error_budget=0.02)["micro"]["value"] == 98
    with pytest.raises(EvaluationError, match=r"2 of 100 rows have no usable judgement, the budget is 1.0%.*:99: "):
        strict_scores(rows, PLAN)
    unread = Judgements(rows.path, rows.rows[:98], ("judged.jsonl:99: no JSON",) * 2)
    with pytest.raises(EvaluationError, match="2 of 100 rows"):
        strict_scores(unread, PLAN)
    found = strict_scores(unread, PLAN, error_budget=0.02)
    assert (found["coverage"], found["left_out"], found["micro"]["value"]) == (0.98, 2, 100)


def test_a_comparison_is_paired_on_shared_samples() -> None:
    noisy = [dict.fromkeys(DIMENSIONS, 1 + n % 4) for n in range(40)]
    better = [{name: score + 1 for name, score in fields.items()} for fields in noisy]
    first = judged(*(("web", n, fields) for n, fields in enumerate(better)))
    second = judged(*(("web", n, fields) for n, fields in enumerate(noisy[:30])))
    found = compared(first, second, PLAN)
    assert [found["difference"][end] for end in ("low", "value", "high")] == pytest.approx([25, 25, 25])
    assert (found["shared"], found["only_first"], found["only_second"]) == (30, 10, 0)
    with pytest.raises(EvaluationError, match="share no sample"):
        compared(first, judged(("os", 1, FIVES)), PLAN)


def test_scores_of_different_judges_are_never_brought_together() -> None:
    rules, model = (("web", 1, FIVES | {"judge": judge}) for judge in ("rules", "gpt"))
    with pytest.raises(EvaluationError, match=r"rows of different judges \(gpt, rules\) have no common score"):
        strict_scores(judged(rules, model), PLAN)
    with pytest.raises(EvaluationError, match="different judges"):
        compared(judged(rules), judged(model), PLAN)
    assert compared(judged(rules), judged(rules), PLAN)["shared"] == 1


@pytest.mark.parametrize(("fields", "value"), [({"failed": 1.0}, 0.0), (FIVES, 100.0)])
def test_a_score_without_spread_is_as_wide_as_its_few_trajectories_leave_it(fields: dict, value: float) -> None:
    found = strict_scores(judged(("web", 1, fields), ("web", 2, fields)), PLAN, 1.0)
    for name in ("macro", "micro"):
        assert found[name]["value"] == value
        assert found[name]["high"] - found[name]["low"] == pytest.approx(84.2, abs=0.1)
