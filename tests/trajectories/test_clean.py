import polars as pl
import pytest

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.trajectories import parquet
from agentworld_dag.trajectories.clean import work
from agentworld_dag.trajectories.schema import Turn

LIVE = (Turn("echo red > a", "~$", "a=red\ncwd=~"), Turn("cat a", "red\n~$", "a=red\ncwd=~"))


def test_work_quarantines_with_reasons_and_lists_corrupt_parts(tmp_path, episode, stage):
    parquet.write_trajectories(tmp_path / "parts" / "1.parquet", [episode("good"), episode("bad", turns=LIVE[:1])])
    parquet.write_trajectories(tmp_path / "parts" / "2.parquet", [episode("more", turns=LIVE)])
    (tmp_path / "parts" / "3.parquet").write_bytes(b"PAR1 not really")
    metrics = work(stage({"raw_trajectories": tmp_path}))
    assert metrics["trajectories"] == {"recorded": 3, "kept": 2}
    assert metrics["quarantined"] == {"too_short": 1}
    assert [part["file"] for part in metrics["corrupt_files"]] == ["3.parquet"]
    assert "delete it" in metrics["corrupt_files"][0]["reason"]
    assert metrics["corrupt_parts"] == 1
    kept = parquet.read_trajectories(tmp_path / "out" / "trajectories.parquet")
    assert [trajectory.id for trajectory in kept] == ["good", "more"]
    quarantine = pl.read_parquet(tmp_path / "out" / "quarantine.parquet")
    assert quarantine.select("id", "reason").rows() == [("bad", "too_short")]
    assert (tmp_path / "parts" / "3.parquet").exists()


def test_work_writes_an_empty_quarantine_with_its_columns(tmp_path, episode, stage):
    parquet.write_trajectories(tmp_path / "parts" / "1.parquet", [episode()])
    work(stage({"raw_trajectories": tmp_path}))
    quarantine = pl.read_parquet(tmp_path / "out" / "quarantine.parquet")
    assert quarantine.is_empty()
    assert {"reason", "detail"} <= set(quarantine.columns)


def test_work_refuses_to_go_on_with_nothing(tmp_path, episode, stage):
    parquet.write_trajectories(tmp_path / "parts" / "1.parquet", [episode(turns=())])
    with pytest.raises(TrajectoryError, match=r"none of 1 trajectories.*too_short.*quarantine\.parquet"):
        work(stage({"raw_trajectories": tmp_path}))
    assert (tmp_path / "out" / "quarantine.parquet").exists()


def test_what_a_killed_try_has_left_is_no_part_of_the_next(tmp_path, episode, stage):
    parquet.write_trajectories(tmp_path / "parts" / "1.parquet", [episode()])
    parquet.write_trajectories(tmp_path / "out" / "spool" / "kept" / "000009.parquet", [episode("left", turns=LIVE)])
    work(stage({"raw_trajectories": tmp_path}))
    assert parquet.read_trajectories(tmp_path / "out" / "trajectories.parquet") == [episode()]
    assert not (tmp_path / "out" / "spool").exists()
