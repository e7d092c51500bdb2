"""A folder between a step and its job: nothing is read twice, in halves, or by others."""

from pathlib import Path

from agentworld_dag.resources.job_folder import GrowingFile, JobFolder


def test_a_growing_file_is_read_by_whole_lines_and_once(tmp_path: Path) -> None:
    path = tmp_path / "grown"
    growing = GrowingFile(path)
    assert growing.lines() == []
    path.write_bytes(b"one\ntw")
    assert growing.lines() == ["one"]
    assert growing.lines() == []
    with path.open("ab") as file:
        file.write(b"o\n\xff\nthree\n")
    assert growing.lines() == ["two", "\ufffd", "three"]


def test_a_step_that_comes_later_reads_from_the_start(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.begin_anew({})
    folder.output.write_text("one\n")
    assert GrowingFile(folder.output).lines() == ["one"]
    assert GrowingFile(JobFolder(tmp_path / "job").output).lines() == ["one"]


def test_a_job_that_begins_anew_begins_with_empty_files(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    for _ in range(2):
        folder.begin_anew({})
        assert folder.output.read_text() == (folder.path / "messages").read_text() == ""
        folder.output.write_text("one\n")
        (folder.path / "messages").write_text("{}\n")


def test_others_cannot_look_into_it(tmp_path: Path) -> None:
    assert JobFolder(tmp_path / "job").path.stat().st_mode & 0o777 == 0o700
