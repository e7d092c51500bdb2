import pytest

from agentworld_dag.errors import StoreError, TrajectoryError
from agentworld_dag.trajectories.outlines import outline, outlines, rows
from agentworld_dag.trajectories.parquet import from_frame, read_trajectories, write_frame, write_trajectories


def test_a_task_that_is_not_json_names_the_trajectory(tmp_path, episode):
    with pytest.raises(TrajectoryError, match=r"task of trajectory episode-1 is not JSON"):
        outline(episode(task="{"), tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"held_out\.parquet"):
        outlines([tmp_path / "held_out.parquet"])


def test_files_are_read_in_order_and_each_id_once(tmp_path, episode):
    first, second = tmp_path / "1.parquet", tmp_path / "2.parquet"
    write_trajectories(first, [episode("b"), episode("a")])
    write_trajectories(second, [episode("c"), episode("a", failure="another")])
    assert [(each.id, each.file) for each in outlines([first, second])] == [("b", first), ("a", first), ("c", second)]


def test_rows_are_the_trajectories_outlined_and_no_others(tmp_path, episode):
    first, second = tmp_path / "1.parquet", tmp_path / "2.parquet"
    write_trajectories(first, [episode(f"a{number}") for number in range(2500)])
    write_trajectories(second, [episode(f"b{number}", failure=str(number)) for number in range(4)])
    known = outlines([first, second])
    wanted = [each for each in known if each.id in {"a7", "a2400", "b3"}]
    assert from_frame(rows(wanted[::-1]).collect()) == [episode("b3", failure="3"), episode("a7"), episode("a2400")]
    assert from_frame(rows([]).collect()) == []


def test_rows_are_streamed_into_a_file(tmp_path, episode):
    write_trajectories(tmp_path / "all.parquet", [episode(f"a{number}") for number in range(2500)])
    write_frame(tmp_path / "half.parquet", rows(outlines([tmp_path / "all.parquet"])[::2]))
    assert [each.id for each in read_trajectories(tmp_path / "half.parquet")] == [f"a{n}" for n in range(0, 2500, 2)]
