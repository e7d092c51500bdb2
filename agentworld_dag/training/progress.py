"""What a training stage tells while it runs: the Trainer's logs, passed to the stage."""

import math
import time
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from agentworld_dag.stage import Stage


class ReportProgress(TrainerCallback):
    """Sends every number the Trainer logs to the stage, with speed and remaining time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._first_step = self._tokens = 0
        self._started = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._first_step, self._started = state.global_step, time.monotonic()
        self._tokens = int(state.num_input_tokens_seen)
        if state.global_step:
            self._stage.log(f"resumed from step {state.global_step} of {state.max_steps}")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        numbers = {key: float(value) for key, value in (logs or {}).items() if isinstance(value, int | float)}
        finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
        self._stage.log_metrics(finite, state.global_step)
        self._count(int(finite.get("num_tokens", self._tokens)))
        done = state.global_step - self._first_step
        shown = ", ".join(f"{key} {finite[key]:.3f}" for key in ("loss", "reward", "entropy") if key in finite)
        if shown and done and state.global_step < state.max_steps:
            left_s = (time.monotonic() - self._started) / done * (state.max_steps - state.global_step)
            self._stage.log(f"step {state.global_step}/{state.max_steps}: {shown}; about {left_s:.0f} s left")

    def _count(self, tokens: int) -> None:
        """`tokens` is TRL's running number: positions of training rows, or prompts and what a policy wrote."""
        self._stage.meter.count_tokens(tokens - self._tokens)
        self._tokens = tokens
