"""How much memory cleaning and splitting take as a round grows.

    python benchmarks/data_memory.py --episodes 20000 80000

Records real sessions, writes each of them many times under other names and with
another fact in its initial state, so that no two are equal, and runs both stages
in processes of their own. Prints a Markdown table of seconds and of the largest
resident set, the interpreter and its libraries included.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from agentworld_dag.config import load_preset
from agentworld_dag.trajectories.collect import PART_EPISODES, record_episodes
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.schema import Trajectory

PRESET = Path(__file__).parents[1] / "infra/presets/tiny.yaml"
STAGES = {"clean": "raw_trajectories", "splits": "clean_trajectories"}
"""Stage script -> the input that the one before it made."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, nargs="+", default=[5_000, 20_000])
    options = parser.parse_args()
    recorded = asyncio.run(record_episodes(load_preset(PRESET).collection, range(PART_EPISODES)))
    print("| trajectories | stage | seconds | GiB |\n|---|---|---|---|")
    for episodes in options.episodes:
        with tempfile.TemporaryDirectory() as folder:
            measured(Path(folder), recorded, episodes)


def measured(folder: Path, recorded: list[Trajectory], episodes: int) -> None:
    """Both stages over so many trajectories, a row each."""
    made = folder / "raw"
    for number in range(episodes // PART_EPISODES):
        part = [other(trajectory, number) for trajectory in recorded]
        write_trajectories(made / "parts" / f"part-{number:06d}.parquet", part)
    for stage, given in STAGES.items():
        out, started_at = folder / stage, time.monotonic()
        gib = peak_gib(stage, f"{given}={made}", out)
        print(f"| {episodes:,} | {stage} | {time.monotonic() - started_at:.1f} | {gib:.2f} |", flush=True)
        made = out


def other(trajectory: Trajectory, number: int) -> Trajectory:
    """The same session in a home that has one fact more."""
    fact = f"\nzz={number}"
    system = replace(trajectory.system, initial_state=trajectory.system.initial_state + fact)
    turns = tuple(replace(turn, state=turn.state and turn.state + fact) for turn in trajectory.turns)
    return replace(trajectory, id=f"{trajectory.id}-{number:06d}", system=system, turns=turns, task="")


def peak_gib(stage: str, given: str, out: Path) -> float:
    command = [sys.executable, "-m", f"agentworld_dag.trajectories.{stage}", "--config", str(PRESET)]
    with subprocess.Popen([*command, "--input", given, "--out", str(out)], stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}")
    return used.ru_maxrss / 2**20


if __name__ == "__main__":
    main()
