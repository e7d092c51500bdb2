"""A callback that times the steps of any Trainer of this process, ours as TRL's.

What the Trainer logs is kept beside the times, and the peak of memory: of the
GPU's allocator, or of the process where there is no GPU.
"""

import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import DEFAULT_CALLBACKS

from agentworld_dag.artifacts import write_json


class Clock(TrainerCallback):
    """Writes `{steps: [{step, at, ...logs}], peak_gib}` when training ends. State: the steps so far."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._steps: dict[int, dict[str, float]] = {}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._steps[state.global_step] = {"step": state.global_step, "at": time.monotonic()}

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        numbers = {name: value for name, value in (logs or {}).items() if isinstance(value, int | float)}
        self._steps[state.global_step].update(numbers)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        write_json(self._file, {"steps": list(self._steps.values()), "peak_gib": _peak_bytes() / 2**30})


def watch_trainers(file: Path) -> None:
    """Every Trainer made from now on gets a clock: neither our stages nor TRL's scripts take callbacks."""
    callbacks: list[Any] = DEFAULT_CALLBACKS
    callbacks.append(Clock(file))


def _peak_bytes() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    # Not getrusage: a process that was just started inherits the peak of the one that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
