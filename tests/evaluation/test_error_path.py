import polars as pl
import pytest

from agentworld_dag.evaluation.error_path import (
    error_path_section,
    false_alarms,
    in_group,
    optimism,
    reported,
    right_kind,
)
from agentworld_dag.evaluation.intervals import Resampling

PLAN = Resampling(100, 0)
ROWS = [
    ("recorded_error", "usage", "usage"),
    ("recorded_error", "usage", "syntax"),
    ("recorded_error", "usage", "none"),
    ("recorded_error", "usage", "unusable"),
    ("recorded_ok", "none", "none"),
    ("recorded_ok", "none", "exists"),
    ("recorded_ok", "none", "unusable"),
    ("recorded_ok", "none", "none"),
    ("malformed", "syntax", "none"),
    ("empty", "none", "usage"),
]


def rows() -> pl.DataFrame:
    made = [
        {
            "action_class": name,
            "trajectory_id": f"trajectory-{i}",
            "exact": False,
            "failed": sim == "unusable",
            "real_error": real != "none",
            "sim_error": None if sim == "unusable" else sim != "none",
            "real_kind": real,
            "sim_kind": sim,
            "seed": 0,
        }
        for i, (name, real, sim) in enumerate(ROWS)
    ]
    return pl.DataFrame(made)


def test_an_unusable_answer_reports_no_error_and_lets_nothing_succeed() -> None:
    recorded = in_group(rows(), "recorded")
    assert reported(recorded).values.tolist() == [1, 1, 0, 0]
    assert right_kind(recorded).values.tolist() == [1, 0, 0, 0]
    assert false_alarms(recorded).values.tolist() == [0, 1, 1, 0]


def test_optimism_is_what_succeeds_in_simulation_less_what_succeeds_for_real() -> None:
    found = optimism(in_group(rows(), "recorded"), PLAN)
    assert found is not None
    assert found.value == pytest.approx(3 / 8 - 4 / 8)


def test_false_alarms_on_empty_actions_do_not_make_up_for_planted_errors_that_pass() -> None:
    found = error_path_section(rows(), PLAN)
    assert found["planted errors"]["optimism"]["value"] == 1
    assert found["empty"]["optimism"]["value"] == -1
    assert found["illegal"]["optimism"]["value"] is None
