import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from agentworld_dag.config import Collection, load_preset
from agentworld_dag.environments import sandbox
from agentworld_dag.environments.bash_session import BashSession
from agentworld_dag.environments.tasks import make_task, seed_of
from agentworld_dag.errors import SandboxError
from agentworld_dag.exit_codes import RESUME_ME
from agentworld_dag.rounds import EPISODES_PER_ROUND
from agentworld_dag.stage import run_stage
from agentworld_dag.trajectories import collect
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.schema import Trajectory

PRESET = Path(__file__).parents[2] / "infra/presets/tiny.yaml"


def small(**changes: object) -> Collection:
    size = {"exploratory_episodes": 6, "task_episodes": 4, "turns_per_episode": 4, "action_timeout_s": 10.0}
    return load_preset(PRESET).collection.model_copy(update=size | changes)


def timeless(trajectories: list[Trajectory]) -> list[Trajectory]:
    return [replace(t, provenance=replace(t.provenance, recorded_at="")) for t in trajectories]


def test_a_part_holds_its_episodes_whole(tmp_path: Path) -> None:
    turns = collect.record_part(small(), tmp_path, 0)
    recorded = read_trajectories(tmp_path)
    assert sum(len(t.turns) for t in recorded) == turns
    assert [t.kind for t in recorded].count("task") == 4
    assert len({t.id for t in recorded}) == 10
    assert all(turn.state and turn.observation for t in recorded for turn in t.turns)


def test_a_part_repeats_but_for_its_clock(tmp_path: Path) -> None:
    for name in ("a", "b"):
        collect.record_part(small(), tmp_path / name, 0)
    assert timeless(read_trajectories(tmp_path / "a")) == timeless(read_trajectories(tmp_path / "b"))


def test_another_seed_is_another_collection() -> None:
    ids, states = zip(
        *[(e.id, e.initial_state) for seed in (0, 1) for e, _ in [collect.episode(small(seed=seed), 0)]], strict=True
    )
    assert ids[0] != ids[1]
    assert states[0] != states[1]


def test_task_episodes_are_spread_evenly_and_never_repeat() -> None:
    collection = small(exploratory_episodes=300, task_episodes=200)
    episodes = [collect.episode(collection, index)[0] for index in range(500)]
    tasks = [e.task for e in episodes if e.task is not None]
    assert len({task.id for task in tasks}) == 200
    for start in range(0, 500, 100):
        assert sum(e.task is not None for e in episodes[start : start + 100]) == 40


def test_round_one_records_the_episodes_it_always_did() -> None:
    played = [collect.episode(small(seed=3), index)[0] for index in range(10)]
    assert [e.id for e in played] == [f"terminal-3-{index:06d}" for index in range(10)]
    assert [e.seed for e in played] == [seed_of("collection", 3, index) for index in range(10)]
    assert [e.task for e in played if e.task] == [make_task("train", 30 + index) for index in range(4)]


@pytest.mark.parametrize("seed", [0, 22222])  # 22222: 60 times the seed is 15 times the seed and a round's numbers
def test_rounds_of_any_size_share_no_episode_and_no_task(seed: int) -> None:
    first = small(seed=seed, exploratory_episodes=36, task_episodes=24)
    later = small(seed=seed, exploratory_episodes=9, task_episodes=6)
    numbered = [(first, 0, 60), (later, EPISODES_PER_ROUND, 15), (later, 2 * EPISODES_PER_ROUND, 15)]
    played = [collect.episode(c, start + index)[0] for c, start, count in numbered for index in range(count)]
    tasks = [e.task.id for e in played if e.task]
    assert len({e.id for e in played}) == len({e.seed for e in played}) == len(played) == 90
    assert len(set(tasks)) == len(tasks) == 36


def test_a_later_round_records_numbers_of_its_own(tmp_path: Path) -> None:
    collect.record_part(small(), tmp_path, 0, round_number=3)
    recorded = read_trajectories(tmp_path)
    assert [t.id for t in recorded] == [f"terminal-1-{2_000_000 + index}" for index in range(10)]
    assert [t.kind for t in recorded].count("task") == 4


def test_the_stage_records_the_round_it_is_given(tmp_path: Path) -> None:
    size = {"exploratory_episodes": 3, "task_episodes": 2, "turns_per_episode": 2, "workers": 1}
    later = {"later_rounds": {"replay_share": 0.25, "changes": {"collection": size}}}
    preset = tmp_path / "later.yaml"
    preset.write_text(yaml.safe_dump(yaml.safe_load(PRESET.read_text()) | later))
    run_stage(collect.work, [*arguments(preset, tmp_path / "out"), "--round", "round-0002"])
    ids = [t.id for t in read_trajectories(tmp_path / "out" / "parts")]
    assert ids == [f"terminal-1-{1_000_000 + index}" for index in range(5)]


def test_the_metrics_count_what_was_recorded(tmp_path: Path) -> None:
    turns = collect.record_part(small(), tmp_path, 0)
    metrics = collect.summarize(tmp_path)
    assert metrics["episodes"] == 10
    assert metrics["turns"] == metrics["real_steps"] == turns
    assert metrics["by_kind"] == {"exploratory": 6, "task": 4}
    assert sum(metrics["by_outcome"].values()) == sum(metrics["by_sandbox"].values()) == 10


def test_a_part_whose_sessions_all_die_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise SandboxError("no memory")

    monkeypatch.setattr(BashSession, "_start", refuse)
    with pytest.raises(SandboxError, match="10 of 10 sessions of part 0 died, the last with: no memory"):
        collect.record_part(small(), tmp_path, 0)
    assert not list(tmp_path.iterdir())


def write_preset(folder: Path, **changes: object) -> Path:
    preset = yaml.safe_load(PRESET.read_text())
    preset["collection"] |= changes
    path = folder / "preset.yaml"
    path.write_text(yaml.safe_dump(preset))
    return path


def arguments(preset: Path, out: Path) -> list[str]:
    return ["--config", str(preset), "--out", str(out)]


def test_a_killed_collection_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    size = {"exploratory_episodes": 196, "task_episodes": 4, "turns_per_episode": 2, "workers": 1}
    preset = write_preset(tmp_path, **size, action_timeout_s=30.0)
    out, whole = tmp_path / "killed", tmp_path / "whole"
    run = subprocess.Popen(
        [sys.executable, "-m", "agentworld_dag.trajectories.collect", *arguments(preset, out)],
        stderr=subprocess.DEVNULL,
    )
    first = collect.part_path(out / "parts", 0)
    wait_for(first)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (out / "result.json").exists()
    kept = first.stat().st_mtime_ns
    for folder in (out, whole):
        run_stage(collect.work, arguments(preset, folder))
    assert first.stat().st_mtime_ns == kept
    assert timeless(read_trajectories(out / "parts")) == timeless(read_trajectories(whole / "parts"))
    assert len(read_trajectories(out / "parts")) == 200


@pytest.fixture
def adopting() -> Iterator[None]:
    """Orphans of what a test starts become children of this process, so that none is overlooked."""
    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, 1)
    yield
    ctypes.CDLL(None).prctl(set_child_subreaper, 0)


def test_a_collection_that_is_asked_to_stop_ends_at_once_with_all_its_workers(adopting: None, tmp_path: Path) -> None:
    size = {"exploratory_episodes": 900, "task_episodes": 100, "turns_per_episode": 200, "workers": 2}
    flags = arguments(write_preset(tmp_path, **size), tmp_path / "out")
    before = alive_below(os.getpid())
    run = subprocess.Popen(
        [sys.executable, "-m", "agentworld_dag.trajectories.collect", *flags],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until("a shell beside tracker and workers", lambda: len(alive_below(run.pid)) > 3)
    os.killpg(run.pid, signal.SIGTERM)
    _, told = run.communicate(timeout=10)
    assert run.returncode == RESUME_ME and told.splitlines()[-1] == "asked to stop"
    wait_until("the end of all of them", lambda: alive_below(os.getpid()) <= before)


def alive_below(ancestor: int) -> set[int]:
    """Process ids, also of sandboxes, which have groups of their own."""
    found, parent_of = {ancestor}, parents()
    while more := {pid for pid, parent in parent_of.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


def parents() -> dict[int, int]:
    """Of every process that lives."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent, *_ = entry.read_text().rpartition(")")[2].split()
            found |= {int(entry.parent.name): int(parent)} if state != "Z" else {}
    return found


def wait_for(path: Path) -> None:
    wait_until(str(path), path.exists)


def wait_until(what: str, happened: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not seen in {seconds} s: {what}"
        time.sleep(0.05)


def test_no_isolation_stops_the_stage_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(sandbox.FORCE_VARIABLE, "none")
    sandbox.pick_backend.cache_clear()
    with pytest.raises(SystemExit):
        run_stage(collect.work, arguments(PRESET, tmp_path))
    sandbox.pick_backend.cache_clear()
    assert "SandboxError: AGENTWORLD_SANDBOX is 'none'" in capfd.readouterr().err
    assert not (tmp_path / "parts").exists()
