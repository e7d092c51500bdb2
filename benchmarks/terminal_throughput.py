"""How fast real shell sessions are recorded: `python benchmarks/terminal_throughput.py --workers 2 --episodes 400`.

Prints one JSON line: turns and sessions per second of wall time, and what one
turn and one session cost alone, for the isolation this host picks (or
AGENTWORLD_SANDBOX forces).
"""

import argparse
import asyncio
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from agentworld_dag.config import Collection, load_preset
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.trajectories.collect import PART_EPISODES, record_part

PRESET = Path(__file__).parents[1] / "infra/presets/tiny.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=2 * PART_EPISODES, help=f"in steps of {PART_EPISODES}")
    options = parser.parse_args()
    collection = load_preset(PRESET).collection
    alone = asyncio.run(cost_of_one(collection))
    print(json.dumps(alone | recorded(collection, options.workers, options.episodes)))


def recorded(collection: Collection, workers: int, episodes: int) -> dict[str, float]:
    """Rates of the collector, worker start-up left out."""
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.5] * workers))
        started_at = time.monotonic()
        parts = [pool.submit(record_part, collection, Path(folder), n) for n in range(episodes // PART_EPISODES)]
        turns = sum(part.result() for part in parts)
        seconds = time.monotonic() - started_at
    return {"workers": workers, "turns_per_s": round(turns / seconds), "sessions_per_s": round(episodes / seconds)}


async def cost_of_one(collection: Collection, repeats: int = 100) -> dict[str, float | str]:
    """Milliseconds of a session's start and end, of an external and a builtin command, and of reading the state."""
    terminal = RealTerminal(collection.action_timeout_s, collection.max_observation_chars)
    state = "cwd=~\ndocs/=\ndocs/list=red/blue\nmemo=cat"
    started_at = time.monotonic()
    for _ in range(repeats):
        await terminal.reset(state, 0)
    costs: dict[str, float | str] = {"session_ms": (time.monotonic() - started_at) / repeats * 1000}
    for name, action in (("external_ms", "cat memo"), ("builtin_ms", "echo red > memo")):
        started_at = time.monotonic()
        for _ in range(repeats):
            await terminal.step(action)
        costs[name] = (time.monotonic() - started_at) / repeats * 1000
    started_at = time.monotonic()
    for _ in range(repeats):
        await terminal.state()
    costs["state_ms"] = (time.monotonic() - started_at) / repeats * 1000
    await terminal.close()
    return {"sandbox": terminal.sandbox} | {k: round(v, 3) if isinstance(v, float) else v for k, v in costs.items()}


if __name__ == "__main__":
    main()
