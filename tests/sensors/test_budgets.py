"""What holds a retraining although probes ask for it: the cool-down, and the week's budgets in runs and GPU-hours."""

from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.sensors.retraining import retrain_on_fidelity_drop as sensor
from tests import on_record
from tests.preset_file import write_preset
from tests.sensors.conftest import Tick, asked_for, told

FAILED = dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize(
    ("hours_ago", "gpu_s", "obstacle"),
    [
        ([5], 0, "7.0 h of 12 h are left"),
        ([13, 40, 80], 0, "the week's 3 retrainings are used up"),
        ([13, 40], 13 * 3600, "26.0 of the week's 24 GPU-hours are used up"),
    ],
)
def test_cool_down_and_the_week_s_budgets_hold_a_retraining(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, hours_ago: list[float], gpu_s: float, obstacle: str
) -> None:
    for hours in hours_ago:
        on_record.retrained(instance, hours, FAILED, gpu_s)
    found = told(tick(sensor))
    assert found.startswith(f"terminal: drop since probe {dropped}, but ")
    assert obstacle in found


def test_what_is_over_a_week_old_holds_nothing(tick: Tick, instance: dg.DagsterInstance, dropped: str) -> None:
    for days in range(8, 12):
        on_record.retrained(instance, 24 * days, FAILED, 99 * 3600)
    assert asked_for(tick(sensor)) == "round-0002"


def test_turns_of_later_rounds_use_up_the_week_s_budgets(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.spent(instance, on_record.turned(instance, hours_ago=13), 25 * 3600)
    assert "25.0 of the week's 24 GPU-hours are used up" in told(tick(sensor))


@pytest.mark.parametrize(("step", "held"), [("world_model_cpt", True), ("raw_trajectories", False)])
def test_what_a_failed_stage_held_its_gpus_for_counts(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, tmp_path: Path, step: str, held: bool
) -> None:
    preset = str(
        write_preset(tmp_path / "preset.yaml", compute={"stages": {"training.cpt": {"gpus": 2, "processes": 2}}})
    )
    run_id = on_record.retrained(instance, 20, FAILED)
    on_record.worked(instance, run_id, step, 13 * 3600)
    found = tick(sensor, preset=preset)
    if held:
        assert "26.0 of the week's 24 GPU-hours are used up" in told(found)
    else:
        assert asked_for(found) == "round-0002"


def test_an_attempt_that_was_cut_short_counts_with_the_one_that_ended(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, tmp_path: Path
) -> None:
    preset = str(write_preset(tmp_path / "preset.yaml", compute={"stages": {"training.cpt": {"gpus": 1}}}))
    on_record.worked(instance, on_record.retrained(instance, 20, FAILED, key="one"), "world_model_cpt", 20 * 3600)
    on_record.spent(instance, on_record.retrained(instance, 13, FAILED, key="one"), 23 * 3600, "world_model_cpt")
    assert asked_for(tick(sensor, preset=preset)) == "round-0002"
