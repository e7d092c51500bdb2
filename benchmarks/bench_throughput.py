"""What `agentworld bench run` gets from a real model server: `make vllm`, then `python benchmarks/bench_throughput.py`.

One run, one endpoint (vLLM on the CPU with a random tiny Qwen3), the same
samples: the official protocol, which asks one at a time; a bare asyncio load
generator that keeps nothing, at the best concurrency of a sweep; and ours with
all its durability, into a fresh folder each time. The three take turns, so a
noisy machine troubles all. Prints one JSON line: requests per second, and the
medians of the ratios with their quartiles. The endpoint keeps no prefixes, or
the one who asks first would pay for the others.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from agentworld_dag.benchmark.inference import predict_samples
from agentworld_dag.benchmark.samples import BenchSample
from agentworld_dag.config import load_preset
from agentworld_dag.endpoints.client import Endpoint
from agentworld_dag.serving.server import PYTHON, Server, started
from agentworld_dag.training.base_model import random_model
from agentworld_dag.training.checkpoints import save_checkpoint
from agentworld_dag.training.tokenizer import train_tokenizer
from benchmarks.speed.contestants import MADE_VLLM

ROOT = Path(__file__).parents[1]
PRESET = ROOT / "infra/presets/tiny.yaml"
NEW_TOKENS = 48
HISTORY_TURNS = 12
"""A prompt of about 450 tokens."""
EMPTY = "an empty answer"
"""A random model may write white space alone: a failed sample, but a call like any other."""
SWEEP = (8, 16, 32, 64, 128, 256)
SERVING = load_preset(PRESET).serving.model_copy(
    update={"dtype": "bfloat16", "max_tokens": 1024, "options": ("--no-enable-prefix-caching",)}
)


@dataclass(frozen=True)
class Rates:
    """Requests per second of one turn of the three."""

    sequential: float
    bare: float
    ours: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--one-by-one", type=int, default=30, help="samples of the sequential protocol")
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--at-once", type=int, default=128, help="ours, as --at-once of `agentworld bench run`")
    parser.add_argument("--vllm", type=Path, default=MADE_VLLM, help="virtual environment that has vLLM")
    options = parser.parse_args()
    python = options.vllm.absolute() / "bin/python"
    if not python.is_file():
        print(f"SKIPPED bench_throughput: no vLLM in {options.vllm}; `make vllm` installs it")
        return
    samples = [made_sample(number) for number in range(options.samples)]
    os.environ[PYTHON] = str(python)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        make_checkpoint(checkpoint)
        told("starting vLLM")
        with started(checkpoint, SERVING) as server:
            print(json.dumps(measured(server, samples, options)))


def measured(server: Server, samples: Sequence[BenchSample], options: argparse.Namespace) -> dict[str, Any]:
    bare_rate(server, samples[: max(SWEEP)], max(SWEEP))
    sweep = {at_once: bare_rate(server, samples, at_once) for at_once in SWEEP}
    best = max(sweep, key=lambda at_once: sweep[at_once])
    told(f"bare, by calls at once: { {at_once: round(rate, 1) for at_once, rate in sweep.items()} }")
    turns = []
    for number in range(options.turns):
        turns.append(one_turn(server, samples, options, best, ours_first=number % 2 == 1))
        told(str(turns[-1]))
    return {
        "samples": len(samples),
        "best_at_once": best,
        "our_at_once": options.at_once,
        **{f"{name}_per_s": round(statistics.median(getattr(t, name) for t in turns), 1) for name in vars(turns[0])},
        "ours_to_bare": quartiles([turn.ours / turn.bare for turn in turns]),
        "ours_to_sequential": quartiles([turn.ours / turn.sequential for turn in turns]),
        "bare_to_sequential": quartiles([turn.bare / turn.sequential for turn in turns]),
    }


def one_turn(
    server: Server, samples: Sequence[BenchSample], options: argparse.Namespace, best: int, ours_first: bool
) -> Rates:
    one = bare_rate(server, samples[: options.one_by_one], 1)
    if ours_first:
        ours = our_rate(server, samples, options.at_once)
        return Rates(one, bare_rate(server, samples, best), ours)
    return Rates(one, bare_rate(server, samples, best), our_rate(server, samples, options.at_once))


def quartiles(ratios: Sequence[float]) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"median": round(middle, 3), "quartiles": [round(low, 3), round(high, 3)]}


def bare_rate(server: Server, samples: Sequence[BenchSample], at_once: int) -> float:
    """Calls per second with a fixed number open; every answer has to be a 200."""
    settings = {"model": server.model, "temperature": 0.0, "max_tokens": NEW_TOKENS}
    return asyncio.run(_bare_rate(server, [settings | {"messages": s.messages()} for s in samples], at_once))


async def _bare_rate(server: Server, bodies: Sequence[dict[str, Any]], at_once: int) -> float:
    url, headers = f"{server.url}/chat/completions", {"Authorization": f"Bearer {server.key}"}
    waiting = iter(bodies)

    async def work(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            async with session.post(url, json=body, raise_for_status=True) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
        started_at = time.monotonic()
        await asyncio.gather(*(work(session) for _ in range(at_once)))
        return len(bodies) / (time.monotonic() - started_at)


def our_rate(server: Server, samples: Sequence[BenchSample], at_once: int) -> float:
    """All of a fresh run's inference is in it: locks, settings, the file of results and its tidying."""
    endpoint = Endpoint(
        server.url, server.model, 0.0, NEW_TOKENS, timeout_s=600.0, most_open=at_once, api_key=server.key
    )
    with tempfile.TemporaryDirectory() as folder:
        started_at = time.monotonic()
        rows = predict_samples(samples, endpoint, Path(folder))
        seconds = time.monotonic() - started_at
    causes = [row["error_message"] for row in rows.values() if row["failed"]]
    if causes := [cause for cause in causes if not cause.startswith(EMPTY)]:
        sys.exit(f"{len(causes)} of {len(rows)} calls failed, so this is no measurement; the first: {causes[0]}")
    return len(rows) / seconds


def made_sample(number: int) -> BenchSample:
    actions = [f"echo word{number + turn} > file{(number * turn) % 97}" for turn in range(HISTORY_TURNS)]
    truths = [f"**Environment Observation:**\nword{number} {'x' * (turn % 5)}\n~$" for turn in range(HISTORY_TURNS)]
    return BenchSample(
        "terminal", str(number), HISTORY_TURNS, HISTORY_TURNS, "You are a terminal.", tuple(actions), tuple(truths)
    )


def make_checkpoint(folder: Path) -> None:
    """A random Qwen3 of the tiny preset's size, and a tokenizer that has read texts like the samples."""
    size = load_preset(PRESET).model
    texts = (message["content"] for number in range(200) for message in made_sample(number).messages())
    tokenizer = train_tokenizer(texts, size.vocab_size)
    save_checkpoint(random_model(size, tokenizer, seed=0), tokenizer, folder)


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
