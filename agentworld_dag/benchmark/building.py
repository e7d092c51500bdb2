"""A benchmark in the official layout out of our own real trajectories, of any domain that has some.

`build_benchmark` chooses turns as the paper does (section 4.1): the first, the
last and three drawn from between; its further halving of the samples is left
out. `write_benchmark` takes any turns.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from agentworld_dag.benchmark.contamination import TrainingText
from agentworld_dag.errors import EvaluationError
from agentworld_dag.trajectories.agentworldbench import row
from agentworld_dag.trajectories.schema import Trajectory

MIDDLE_TURNS = 3


def build_benchmark(trajectories: Sequence[Trajectory], folder: Path, seed: int) -> dict[str, int]:
    """Writes `{domain}_test.jsonl` files; samples by domain. Raises EvaluationError when there is nothing to write."""
    draw = random.Random(seed)
    chosen = [(trajectory, index) for trajectory in trajectories for index in chosen_turns(len(trajectory.turns), draw)]
    return write_benchmark(chosen, folder)


def write_benchmark(turns: Iterable[tuple[Trajectory, int]], folder: Path) -> dict[str, int]:
    """The same of given (trajectory, turn index from 0)."""
    lines = defaultdict[str, list[str]](list)
    for trajectory, index in turns:
        lines[trajectory.domain].append(json.dumps(row(trajectory, index), ensure_ascii=False))
    if not lines:
        raise EvaluationError("no trajectory with a turn to predict; collect more or name another file")
    folder.mkdir(parents=True, exist_ok=True)
    for domain, texts in lines.items():
        (folder / f"{domain}_test.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return {domain: len(texts) for domain, texts in lines.items()}


def drawn_turns(trajectories: Sequence[Trajectory], count: int, seed: int) -> list[tuple[Trajectory, int]]:
    """Up to `count` turns, evenly over all of the trajectories: those that `teacher_forced.sample_places` draws."""
    turns = [(trajectory, index) for trajectory in trajectories for index in range(len(trajectory.turns))]
    return random.Random(seed).sample(turns, min(count, len(turns)))


def chosen_turns(count: int, draw: random.Random) -> list[int]:
    """Indices in order."""
    between = range(1, count - 1)
    drawn = draw.sample(between, min(MIDDLE_TURNS, len(between)))
    return sorted({0, count - 1, *drawn}) if count else []


def training_text(trajectory: Trajectory) -> TrainingText:
    """What a model trained on it has read, turn by turn."""
    return TrainingText(trajectory.id, "\n".join(f"{turn.action}\n{turn.observation}" for turn in trajectory.turns))
