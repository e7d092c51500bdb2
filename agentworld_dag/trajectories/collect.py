"""Stage `raw_trajectories`: records real shell sessions, exploratory and task-like.

Episode `i` is a function of the preset and `i` alone, and every round has a
range of `i` to itself. Workers record parts of PART_EPISODES episodes and write
each part whole, so a killed run starts again at its missing parts and ends with
the same episodes. A session that hangs or dies is a row like any other, with
its outcome and reason. Judging what is worth training on is `clean`'s work.
"""

import asyncio
import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from agentworld_dag.config import Collection
from agentworld_dag.environments.experts import Expert
from agentworld_dag.environments.explorers import Explorer
from agentworld_dag.environments.sandbox import pick_backend
from agentworld_dag.environments.tasks import initial_state, make_task, seed_of
from agentworld_dag.environments.terminal import real_terminal
from agentworld_dag.errors import SandboxError
from agentworld_dag.process import die_with_parent
from agentworld_dag.rounds import EPISODES_PER_ROUND, number_of
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.parquet import scan_trajectories, write_trajectories
from agentworld_dag.trajectories.recorder import Actor, Episode, record
from agentworld_dag.trajectories.schema import Trajectory

PART_EPISODES = 100
PROGRESS_EVERY_S = 5.0
DEAD_SHARE_LIMIT = 0.5
"""A part with more dead sessions than this is a broken machine, not data."""


def work(stage: Stage) -> dict[str, Any]:
    collection, parts = stage.preset.collection, stage.out / "parts"
    backend = pick_backend()
    missing = [number for number in range(_part_count(collection)) if not part_path(parts, number).is_file()]
    stage.log(f"{len(missing)} of {_part_count(collection)} parts to record, sandbox {backend}")
    started_at = time.monotonic()
    recording = partial(record_part, collection, parts, round_number=number_of(stage.round_name))
    turns = _record_parts(recording, collection.workers, missing, stage.log)
    seconds = time.monotonic() - started_at
    return summarize(parts) | {"turns_per_s": turns / seconds}


def summarize(parts: Path) -> dict[str, Any]:
    """Counts over all recorded parts, by outcome, kind and sandbox."""
    rows = scan_trajectories(parts).select(
        "outcome", "kind", pl.col("turns").list.len(), pl.col("provenance").struct.field("sandbox")
    )  # fmt: skip
    frame = rows.collect()
    by = {f"by_{name}": dict(frame[name].value_counts().iter_rows()) for name in ("outcome", "kind", "sandbox")}
    turns = int(frame["turns"].sum())
    return {"episodes": len(frame), "turns": turns, "real_steps": turns} | by


def record_part(collection: Collection, parts: Path, number: int, round_number: int = 1) -> int:
    """Record one part of a round and write it; returns its turns.

    Raises SandboxError when most of its sessions died.
    """
    trajectories = asyncio.run(record_episodes(collection, _part_episodes(collection, number, round_number)))
    dead = [t for t in trajectories if t.outcome in ("timed_out", "died")]
    if len(dead) > DEAD_SHARE_LIMIT * len(trajectories):
        raise SandboxError(
            f"{len(dead)} of {len(trajectories)} sessions of part {number} died, the last with: {dead[-1].failure}. "
            "Free memory or processors on this machine and run again; finished parts are kept"
        )
    write_trajectories(part_path(parts, number), trajectories)
    return sum(len(t.turns) for t in trajectories)


def episode(collection: Collection, index: int) -> tuple[Episode, Actor]:
    """Episode `index` of the collection and who plays it; kinds are spread evenly over the parts.

    Round `n` has the EPISODES_PER_ROUND indices from `(n - 1) * EPISODES_PER_ROUND` on.
    """
    total = collection.exploratory_episodes + collection.task_episodes
    inner = index % EPISODES_PER_ROUND
    tasks_before = inner * collection.task_episodes // total
    seed = seed_of("collection", collection.seed, index)
    rng = random.Random(seed)
    name = f"terminal-{collection.seed}-{index:06d}"
    if (inner + 1) * collection.task_episodes // total == tasks_before:
        return Episode(name, seed, initial_state(rng), collection.turns_per_episode), Explorer(rng)
    task = make_task("train", _first_task(collection, total, index - inner) + tasks_before)
    played = Episode(name, seed, task.initial_state, collection.turns_per_episode, task)
    return played, Expert(task, rng, collection.expert_noise)


def part_path(parts: Path, number: int) -> Path:
    return parts / f"part-{number:04d}.parquet"


def _record_parts(recording: Callable[[int], int], workers: int, numbers: list[int], log: Callable[[str], None]) -> int:
    # spawn: a forked child would inherit the threads' locks of polars and of Pipes.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker) as pool:
        waiting = {pool.submit(recording, number) for number in numbers}
        try:
            return _gather(waiting, log)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.kill()  # its part is written whole or not at all, and nobody waits for it
            raise


def _begin_worker() -> None:
    """A worker ends with its stage: a SIGTERM that was sent to all processes at once is the stage's to answer."""
    signal.signal(signal.SIGTERM, _pass_over)
    die_with_parent()


def _pass_over(*_: object) -> None:
    """Not SIG_IGN, which the recorded shells would inherit."""


def _gather(waiting: set[Future[int]], log: Callable[[str], None]) -> int:
    """Turns of all parts, with a progress line now and then. Raises the first error of a worker."""
    total, turns, started_at, logged_at = len(waiting), 0, time.monotonic(), time.monotonic()
    while waiting:
        done, waiting = wait(waiting, PROGRESS_EVERY_S, FIRST_COMPLETED)
        turns += sum(map(_turns_of, done))
        if time.monotonic() - logged_at >= PROGRESS_EVERY_S or not waiting:
            log(_progress(total - len(waiting), total, turns, time.monotonic() - started_at))
            logged_at = time.monotonic()
    return turns


def _turns_of(part: Future[int]) -> int:
    try:
        return part.result()
    except BrokenProcessPool as error:
        raise SandboxError(f"a collection worker was killed ({error}); free memory and run again") from error


def _progress(done: int, total: int, turns: int, seconds: float) -> str:
    left = f"{seconds / done * (total - done):.0f} s left" if done else "first parts under way"
    return f"{done}/{total} parts, {turns} turns, {turns / seconds:.0f} turns/s, {left}"


def _first_task(collection: Collection, total: int, first: int) -> int:
    """Index of the first task of the round whose first episode is `first`."""
    # The offset times the seed keeps rounds of one seed apart though they differ in size.
    return collection.seed * (total + first) + first


def _part_count(collection: Collection) -> int:
    return -(-(collection.exploratory_episodes + collection.task_episodes) // PART_EPISODES)


def _part_episodes(collection: Collection, number: int, round_number: int) -> range:
    total = collection.exploratory_episodes + collection.task_episodes
    first = (round_number - 1) * EPISODES_PER_ROUND
    return range(first + number * PART_EPISODES, first + min((number + 1) * PART_EPISODES, total))


async def record_episodes(collection: Collection, indices: range) -> list[Trajectory]:
    """Episodes by number, one after the other, in one terminal."""
    environment = real_terminal(collection)
    try:
        return [await record(environment, *episode(collection, index)) for index in indices]
    finally:
        await environment.close()


if __name__ == "__main__":
    run_stage(work)
