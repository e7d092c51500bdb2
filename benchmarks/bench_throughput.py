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
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp

from agentworld_dag.benchmark.inference import predict_samples
from agentworld_dag.benchmark.samples import BenchSample
from agentworld_dag.config import load_preset
from agentworld_dag.endpoints.client import Endpoint
from agentworld_dag.training.base_model import random_model
from agentworld_dag.training.checkpoints import save_checkpoint
from agentworld_dag.training.tokenizer import train_tokenizer

ROOT = Path(__file__).parents[1]
PRESET = ROOT / "infra/presets/tiny.yaml"
VLLM = Path(os.environ.get("VENV_VLLM", ROOT / ".venv-vllm"))
MODEL = "tiny"
NEW_TOKENS = 48
HISTORY_TURNS = 12
"""A prompt of about 450 tokens."""
EMPTY = "an empty answer"
"""A random model may write white space alone: a failed sample, but a call like any other."""
SWEEP = (8, 16, 32, 64, 128, 256)
START_S = 600.0
"""The server compiles before it answers."""


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
    parser.add_argument("--vllm", type=Path, default=VLLM, help="virtual environment that has vLLM")
    options = parser.parse_args()
    python = options.vllm.absolute() / "bin/python"
    if not python.is_file():
        print(f"SKIPPED bench_throughput: no vLLM in {options.vllm}; `make vllm` installs it")
        return
    samples = [made_sample(number) for number in range(options.samples)]
    with tempfile.TemporaryDirectory() as folder, serving(python, Path(folder)) as url:
        print(json.dumps(measured(url, samples, options)))


def measured(url: str, samples: Sequence[BenchSample], options: argparse.Namespace) -> dict[str, Any]:
    bare_rate(url, samples[: max(SWEEP)], max(SWEEP))
    sweep = {at_once: bare_rate(url, samples, at_once) for at_once in SWEEP}
    best = max(sweep, key=lambda at_once: sweep[at_once])
    told(f"bare, by calls at once: { {at_once: round(rate, 1) for at_once, rate in sweep.items()} }")
    turns = []
    for number in range(options.turns):
        turns.append(one_turn(url, samples, options, best, ours_first=number % 2 == 1))
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
    url: str, samples: Sequence[BenchSample], options: argparse.Namespace, best: int, ours_first: bool
) -> Rates:
    one = bare_rate(url, samples[: options.one_by_one], 1)
    if ours_first:
        ours = our_rate(url, samples, options.at_once)
        return Rates(one, bare_rate(url, samples, best), ours)
    return Rates(one, bare_rate(url, samples, best), our_rate(url, samples, options.at_once))


def quartiles(ratios: Sequence[float]) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"median": round(middle, 3), "quartiles": [round(low, 3), round(high, 3)]}


def bare_rate(url: str, samples: Sequence[BenchSample], at_once: int) -> float:
    """Calls per second with a fixed number open; every answer has to be a 200."""
    settings = {"model": MODEL, "temperature": 0.0, "max_tokens": NEW_TOKENS}
    return asyncio.run(
        _bare_rate(f"{url}/chat/completions", [settings | {"messages": s.messages()} for s in samples], at_once)
    )


async def _bare_rate(url: str, bodies: Sequence[dict[str, Any]], at_once: int) -> float:
    waiting = iter(bodies)

    async def work(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            async with session.post(url, json=body, raise_for_status=True) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        started_at = time.monotonic()
        await asyncio.gather(*(work(session) for _ in range(at_once)))
        return len(bodies) / (time.monotonic() - started_at)


def our_rate(url: str, samples: Sequence[BenchSample], at_once: int) -> float:
    """All of a fresh run's inference is in it: locks, settings, the file of results and its tidying."""
    endpoint = Endpoint(url, MODEL, temperature=0.0, max_tokens=NEW_TOKENS, timeout_s=600.0, most_open=at_once)
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


@contextmanager
def serving(python: Path, folder: Path) -> Iterator[str]:
    """The base address of a vLLM server that lives as long as the block, run in `folder`."""
    make_checkpoint(folder / "checkpoint")
    port, log = free_port(), folder / "vllm.log"
    told(f"starting vLLM on port {port}")
    with log.open("wb") as output:
        server = subprocess.Popen(
            [python, "-m", "vllm.entrypoints.openai.api_server", *server_options(port)],
            cwd=folder,
            env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_healthy(server, port, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        stop(server)


def stop(server: "subprocess.Popen[bytes]") -> None:
    """Asked first, so that it ends its engine and workers; all of its session are killed if it does not."""
    server.terminate()
    try:
        server.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def server_options(port: int) -> list[str]:
    given = {"model": "checkpoint", "served-model-name": MODEL, "host": "127.0.0.1", "port": port, "dtype": "bfloat16"}
    return [
        *(f"--{name}={value}" for name, value in given.items()),
        "--max-model-len=1024",
        "--no-enable-prefix-caching",
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_healthy(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(1)
    state = f"ended with code {server.returncode}" if server.returncode is not None else f"not up in {START_S:.0f} s"
    sys.exit(f"vLLM {state}; the end of its log:\n{log.read_text(errors='replace')[-4000:]}")


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
