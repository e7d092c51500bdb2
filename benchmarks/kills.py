"""Ten disturbances per training stage, at any moment: `python benchmarks/kills.py --disturbances 10 --seed 0`.

Each is SIGKILL, SIGTERM or SIGINT at a moment drawn from the length of an undisturbed run, process start included. A
stage is started again in the same folder until it ends by itself; its weights are then compared with those of the
undisturbed run, bit for bit, and another run begins until ten signals have struck. Needs the folder of the repository
as working directory. Prints commit, seed and one line per stage, as Markdown; ends with 1 if any weights differ.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from agentworld_dag.exit_codes import FINISHED
from tests.disturbed import FORKS, NAMES, SIGNALS, Training, disturb, log_of, make_trainings, weights

HEADER = ("stage", "undisturbed, s", *(sent.name for sent in SIGNALS), "ended before", "runs", "same weights")


@dataclass
class Tally:
    """What happened to one stage."""

    seconds: float
    struck: Counter[signal.Signals] = field(default_factory=Counter)
    missed: int = 0
    runs: int = 0
    identical: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--disturbances", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="*", choices=list(NAMES), default=list(NAMES))
    options = parser.parse_args()
    print(f"Commit {commit()}, seed {options.seed}.\n")
    print_row(HEADER)
    print_row(["---"] * len(HEADER))
    with tempfile.TemporaryDirectory() as folder:
        trainings = make_trainings(Path(folder))
        await_imports()
        tallies = [disturbed(stage, trainings[stage], options.disturbances, options.seed) for stage in options.stages]
    sys.exit(any(tally.identical < tally.runs for tally in tallies))


def await_imports() -> None:
    """In the process that others are forked from: the first would be timed with them."""
    first = FORKS.Process(target=int)
    first.start()
    first.join()


def commit() -> str:
    """With a mark where files differ from it."""
    return subprocess.check_output(["git", "describe", "--always", "--dirty", "--exclude=*"], text=True).strip()


def disturbed(name: str, training: Training, disturbances: int, seed: int) -> Tally:
    """Runs of one stage until it was disturbed so often, each of them to its end."""
    draw = random.Random(f"{name} {seed}")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        started = time.monotonic()
        finish(training, whole)
        tally = Tally(time.monotonic() - started)
        while tally.struck.total() < disturbances:
            out = Path(folder) / f"disturbed-{tally.runs}"
            while tally.struck.total() < disturbances and not struck_no_more(training, out, draw, tally):
                pass
            finish(training, out)
            tally.runs += 1
            tally.identical += weights(out) == weights(whole)
    counts = (tally.struck[sent] for sent in SIGNALS)
    same = "yes" if tally.identical == tally.runs else f"no, in {tally.runs - tally.identical}"
    print_row([name, f"{tally.seconds:.1f}", *counts, tally.missed, tally.runs, same])
    return tally


def struck_no_more(training: Training, out: Path, draw: random.Random, tally: Tally) -> bool:
    """Disturb one attempt; whether it had ended before."""
    sent, moment_s = draw.choice(SIGNALS), draw.uniform(0, tally.seconds)
    process = training.begin(out)
    process.join(moment_s)
    if process.exitcode is None:
        disturb(process, sent)
    ended = process.exitcode == FINISHED
    tally.missed += ended
    tally.struck[sent] += not ended
    return ended


def finish(training: Training, out: Path) -> None:
    if training.run(out) != FINISHED:
        sys.exit(log_of(out).read_text())


def print_row(cells: Iterable[object]) -> None:
    print("|", *(f"{cell} |" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
