"""Samples to try judges with: forty terminal turns of twenty trajectories, every truth once."""

from pathlib import Path
from typing import Any

import yaml

from agentworld_dag.benchmark.samples import BenchSample, read_benchmark
from agentworld_dag.benchmark.settings import JudgeTrial
from agentworld_dag.config import load_preset
from agentworld_dag.home import preset_path
from tests.benchmark.test_samples import row, write

WORDS = ("red", "blue", "green", "cat", "dog", "fox", "owl", "elk")
SAMPLES, CALLS = 12, 12 * 13


def truth(number: int) -> str:
    word, other = WORDS[number % 8], WORDS[number // 8]
    if number % 3 == 0:
        return f"cat: {word}-{other}: No such file or directory\n~/{other}[1]$"
    return f"{word}\n{other} {100 + number}\n~/{word}$"


def write_samples(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        row(id=i, prompt=[f"cat {i}", "ls"], response=[truth(2 * i), truth(2 * i + 1)], turn_idx=turn, total_turns=2)
        for i in range(20)
        for turn in (1, 2)
    ]
    write(folder, "terminal", *rows)
    return folder


def trial_samples(folder: Path) -> tuple[BenchSample, ...]:
    return read_benchmark(write_samples(folder)).samples


def small_limits(**changes: Any) -> JudgeTrial:
    """Those of the tiny preset over a dozen samples."""
    limits = load_preset(preset_path("tiny")).benchmark.judge_trial
    return limits.model_copy(update={"samples": SAMPLES, "least_measured": 6} | changes)


def write_trial_preset(path: Path, **changes: Any) -> Path:
    preset = yaml.safe_load(preset_path("tiny").read_text())
    preset["benchmark"]["judge_trial"] = small_limits(**changes).model_dump()
    path.write_text(yaml.safe_dump(preset))
    return path
