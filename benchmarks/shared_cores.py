"""What training on two threads loses to other work on its cores: `python benchmarks/shared_cores.py --busy 2`.

OpenMP's threads spin while they wait for each other, and GOMP_SPINCOUNT says for how many turns before they sleep. A
thread that spins keeps its core from the thread it waits for. Each setting runs the training pass of the tiny preset's
SFT in a process of its own, alone and beside processes that never rest, in turns. Needs the folder of the repository
as working directory. Prints passes per second (medians) and the setting's share of the first one's, as Markdown.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from agentworld_dag.resources.script import SHARE_CORES

SPINS = "GOMP_SPINCOUNT"
OURS = SHARE_CORES[SPINS]
SETTINGS = (None, "30000", OURS, "0")
"""None is the library's own."""
BUSY = (sys.executable, "-c", "while True: pass")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=int, default=2, help="processes beside it, in the second column")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pass-for", action="store_true", help="one process's own part: prints its passes per second")
    options = parser.parse_args()
    if options.pass_for:
        print(passes_per_s(options.seconds))
        return
    rates = {key: [] for key in ((spins, busy) for spins in SETTINGS for busy in (0, options.busy))}
    for _ in range(options.repeats):
        for (spins, busy), found in rates.items():
            found.append(measured(spins, busy, options.seconds))
    print(f"| {SPINS} | alone | share | beside {options.busy} | share |\n| --- | --- | --- | --- | --- |")
    for spins in SETTINGS:
        cells = [cell(rates, spins, busy) for busy in (0, options.busy)]
        print(f"| {'not set' if spins is None else spins}{' (ours)' if spins == OURS else ''} | {' | '.join(cells)} |")


def measured(spins: str | None, busy: int, seconds: float) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in (SPINS, "OMP_WAIT_POLICY")}
    command = [sys.executable, "-m", "benchmarks.shared_cores", "--pass-for", f"--seconds={seconds}"]
    with ExitStack() as beside:
        for _ in range(busy):
            beside.enter_context(at_work())
        told = subprocess.run(
            command, env=environment | ({SPINS: spins} if spins else {}), check=True, capture_output=True, text=True
        )
    return float(told.stdout)


@contextmanager
def at_work() -> Iterator[None]:
    process = subprocess.Popen(BUSY)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def passes_per_s(seconds: float) -> float:
    import torch

    from agentworld_dag.config import load_preset
    from benchmarks.labelled_head import PRESET, headed_model, pass_ms, sample_batch

    preset = load_preset(PRESET)
    torch.set_num_threads(preset.sft.threads)
    model, batch = headed_model(preset), sample_batch(preset)
    pass_ms(model, batch)
    began_at, passes = time.monotonic(), 0
    while time.monotonic() < began_at + seconds:
        pass_ms(model, batch)
        passes += 1
    return passes / (time.monotonic() - began_at)


def cell(rates: dict[tuple[str | None, int], list[float]], spins: str | None, busy: int) -> str:
    """Passes per second, and the median of the shares of the library's own, repetition by repetition."""
    shares = [ours / own for ours, own in zip(rates[spins, busy], rates[None, busy], strict=True)]
    return f"{statistics.median(rates[spins, busy]):.1f} | {statistics.median(shares):.2f}"


if __name__ == "__main__":
    main()
