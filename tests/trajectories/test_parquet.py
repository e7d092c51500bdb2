import os
import random
import resource
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.errors import StoreError, TrajectoryError
from agentworld_dag.trajectories import parquet
from agentworld_dag.trajectories.parquet import (
    check_footer,
    iterate_part,
    read_trajectories,
    scan_trajectories,
    write_trajectories,
)
from agentworld_dag.trajectories.schema import Provenance, SystemPrompt, Trajectory, Turn

HOSTILE = [
    "",
    "two\nlines\r\n",
    "\u2028 line and \u2029 paragraph separators \x85",
    "emoji 🧨, combining e\u0301, right-to-left \u202e, zero width \u200b",
    '{"json": "\\u0000"} \\n <|im_end|> </think> ```',
    "\x1b[31mred\x1b[0m \x07 \t",
    "x" * 100_000,
]


def test_round_trip_keeps_every_field(tmp_path, episode):
    written = [
        episode(),
        episode(
            "episode-2",
            kind="task",
            task='{"id": "t"}',
            outcome="died",
            failure="killed",
            turns=(Turn("ls", None, None), Turn("", "~$", "cwd=~")),
        ),
    ]
    write_trajectories(tmp_path / "a.parquet", written)
    assert read_trajectories(tmp_path / "a.parquet") == written


@pytest.mark.parametrize("text", HOSTILE)
def test_round_trip_of_hostile_text(tmp_path, episode, text):
    written = [episode(text, initial_state=text, turns=(Turn(text, text, text), Turn(text, text)), failure=text)]
    write_trajectories(tmp_path / "a.parquet", written)
    assert read_trajectories(tmp_path / "a.parquet") == written


def test_no_trajectories_is_a_valid_file(tmp_path):
    write_trajectories(tmp_path / "a.parquet", [])
    assert read_trajectories(tmp_path / "a.parquet") == []


def test_seeds_beyond_32_bits_survive(tmp_path, episode):
    written = [replace(episode(), provenance=replace(episode().provenance, seed=2**62))]
    write_trajectories(tmp_path / "a.parquet", written)
    assert read_trajectories(tmp_path / "a.parquet")[0].provenance.seed == 2**62


def test_columns_mirror_the_schema():
    assert list(parquet.COLUMNS) == list(Trajectory.__dataclass_fields__)
    assert [field.name for field in parquet.TURN.fields] == list(Turn.__dataclass_fields__)
    assert [field.name for field in parquet.SYSTEM.fields] == list(SystemPrompt.__dataclass_fields__)
    assert [field.name for field in parquet.PROVENANCE.fields] == list(Provenance.__dataclass_fields__)


def test_a_folder_reads_its_parts_by_name_and_ignores_the_rest(tmp_path, episode):
    write_trajectories(tmp_path / "2.parquet", [episode("second")])
    write_trajectories(tmp_path / "1.parquet", [episode("first")])
    (tmp_path / ".3.parquet.99.tmp").write_bytes(b"half a file of a killed writer")
    assert [trajectory.id for trajectory in read_trajectories(tmp_path)] == ["first", "second"]


def test_scan_is_lazy_and_queries_nested_columns(tmp_path, episode):
    write_trajectories(tmp_path / "1.parquet", [episode("first"), episode("second", outcome="died")])
    frame = scan_trajectories(tmp_path)
    assert isinstance(frame, pl.LazyFrame)
    turns = frame.filter(pl.col("outcome") == "died").select(pl.col("turns").list.len()).collect()
    assert turns["turns"].to_list() == [3]


def test_columns_beyond_the_schema_ride_along(tmp_path, episode):
    frame = parquet.to_frame([episode()]).with_columns(pl.lit("because").alias("reason"))
    parquet.write_frame(tmp_path / "a.parquet", frame)
    assert scan_trajectories(tmp_path).select("reason").collect().item() == "because"
    assert read_trajectories(tmp_path) == [episode()]


def test_missing_folder_says_what_to_make(tmp_path):
    with pytest.raises(StoreError, match=r"no Parquet file at .*nowhere.*materialize"):
        read_trajectories(tmp_path / "nowhere")


@pytest.mark.parametrize("read", [read_trajectories, scan_trajectories])
@pytest.mark.parametrize("keep", [0, 3, 500, -1])
def test_truncated_file_is_named_with_the_remedy(tmp_path, episode, read, keep):
    path = tmp_path / "part-7.parquet"
    write_trajectories(path, [episode()])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StoreError, match=r"part-7\.parquet.*delete it"):
        read(tmp_path)


def test_damaged_pages_are_named_with_the_remedy(tmp_path, episode):
    path = tmp_path / "part-7.parquet"
    write_trajectories(path, [episode(f"episode-{number}") for number in range(50)])
    content = bytearray(path.read_bytes())
    content[4:400] = os.urandom(396)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"part-7\.parquet.*delete it"):
        list(iterate_part(path))


def test_any_single_flipped_bit_is_found(tmp_path, episode):
    path = tmp_path / "part-7.parquet"
    write_trajectories(path, [episode(f"episode-{number}", failure=os.urandom(40).hex()) for number in range(20)])
    content, rng = path.read_bytes(), random.Random(2)
    for _ in range(200):
        damaged = bytearray(content)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"part-7\.parquet"):
            list(iterate_part(path))


def test_foreign_parquet_is_refused(tmp_path):
    pl.DataFrame({"id": ["a"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(StoreError, match="schema version None, this code reads 1"):
        check_footer(tmp_path / "a.parquet")


def test_another_schema_version_is_refused(tmp_path, episode, monkeypatch):
    monkeypatch.setattr(parquet, "SCHEMA_VERSION", "0")
    write_trajectories(tmp_path / "a.parquet", [episode()])
    monkeypatch.undo()
    with pytest.raises(StoreError, match="schema version 0, this code reads 1"):
        read_trajectories(tmp_path)


def test_lost_column_is_named(tmp_path, episode):
    parquet.write_frame(tmp_path / "a.parquet", parquet.to_frame([episode()]).drop("outcome"))
    with pytest.raises(StoreError, match="outcome"):
        read_trajectories(tmp_path)


def test_null_where_the_schema_has_a_value_is_a_damaged_file(tmp_path, episode):
    frame = parquet.to_frame([episode()]).with_columns(pl.lit(None, dtype=pl.List(parquet.TURN)).alias("turns"))
    parquet.write_frame(tmp_path / "a.parquet", frame)
    with pytest.raises(StoreError, match=r"a\.parquet.*delete it"):
        read_trajectories(tmp_path)


def test_text_that_is_not_utf8_is_an_error_not_a_lost_row(tmp_path, episode):
    with pytest.raises(TrajectoryError, match="not UTF-8"):
        write_trajectories(tmp_path / "a.parquet", [episode(failure="\udc80")])
    assert list(tmp_path.iterdir()) == []


def test_rewriting_replaces_the_whole_file(tmp_path, episode):
    write_trajectories(tmp_path / "a.parquet", [episode("old")])
    write_trajectories(tmp_path / "a.parquet", [episode("new")])
    assert [trajectory.id for trajectory in read_trajectories(tmp_path)] == ["new"]


def test_a_file_size_limit_loses_nothing_already_written(tmp_path, episode):
    write_trajectories(tmp_path / "a.parquet", [episode("old")])
    with (
        _file_size_limit(1000),
        pytest.raises(StoreError, match=r"no room to write .*MB free.*nothing already written"),
    ):
        write_trajectories(tmp_path / "a.parquet", [episode("new")])
    assert [trajectory.id for trajectory in read_trajectories(tmp_path)] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_a_full_disk_loses_nothing_already_written(small_disk, episode):
    write_trajectories(small_disk / "a.parquet", [episode("old")])
    noise = [replace(episode(str(number)), failure=os.urandom(4000).hex()) for number in range(100)]
    with pytest.raises(StoreError, match=r"no room to write .*MB free.*nothing already written"):
        write_trajectories(small_disk / "b.parquet", noise)
    assert [trajectory.id for trajectory in read_trajectories(small_disk)] == ["old"]
    assert [path.name for path in small_disk.iterdir()] == ["a.parquet"]


def test_an_unwritable_folder_is_a_clear_error(tmp_path, episode):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*permissions"):
        write_trajectories(tmp_path / "file" / "a.parquet", [episode()])


class _file_size_limit:
    def __init__(self, size: int):
        self._size = size

    def __enter__(self):
        self._handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, self._before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
        signal.signal(signal.SIGXFSZ, self._handler)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 128 KiB, where this machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
