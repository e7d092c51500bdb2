import shutil

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.trajectories.round_plan import Champion, RoundPlan, plan_of, read_plan, write_plan


@pytest.fixture
def lake(tmp_path):
    for name in ("world", "simulator", "splits", "plan"):
        (tmp_path / "lake" / name).mkdir(parents=True)
    return tmp_path / "lake"


def test_a_plan_is_read_as_it_was_written_and_moves_with_the_lake(lake, tmp_path):
    write_plan(lake / "plan", RoundPlan(Champion("3", lake / "world", lake / "simulator"), (lake / "splits",)))
    shutil.move(lake, tmp_path / "moved")
    plan = read_plan(tmp_path / "moved" / "plan")
    assert plan.champion is not None
    assert plan.champion.version == "3"
    assert plan.champion.world_model.samefile(tmp_path / "moved" / "world")
    assert [folder.resolve().name for folder in plan.splits] == ["splits"]


def test_the_first_round_goes_on_from_nothing(lake):
    write_plan(lake / "plan", RoundPlan(None, ()))
    assert read_plan(lake / "plan") == RoundPlan(None, ())


def test_a_stage_without_a_plan_goes_on_from_nothing(lake):
    write_plan(lake / "plan", RoundPlan(None, (lake / "splits",)))
    assert plan_of({"splits": lake}) == RoundPlan(None, ())
    assert len(plan_of({"round_plan": lake / "plan"}).splits) == 1


def test_a_missing_plan_and_a_missing_folder_are_named(lake):
    with pytest.raises(StoreError, match="materialise the asset `round_plan`"):
        read_plan(lake / "plan")
    write_plan(lake / "plan", RoundPlan(Champion("3", lake / "world", lake / "simulator"), ()))
    (lake / "simulator").rmdir()
    with pytest.raises(StoreError, match="simulator, which is gone"):
        read_plan(lake / "plan")
