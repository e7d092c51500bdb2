"""From a clock's record to what is reported: tokens, seconds and losses, the first steps left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentworld_dag.errors import RunError

TOKENS, LENGTH = "num_tokens", "completions/mean_length"
"""As TRL logs them: tokens so far, padding left out, prompts and answers alike; and the mean length of answers."""


@dataclass(frozen=True)
class Timed:
    """One run, warm-up left out but for the values."""

    steps: int
    seconds: float
    tokens: int
    written: float
    """Of those tokens, by the policy; 0 where nothing is generated."""
    values: tuple[float, ...]
    """Loss or reward of every logged step, of the first one on."""
    peak_gib: float

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds


def timed(record: Mapping[str, Any], warm_up: int, value: str, answers_per_step: int = 0) -> Timed:
    """`value` names the log to report. Raises RunError when nothing is left after `warm_up` steps."""
    logged = [step for step in record["steps"] if TOKENS in step]
    counted = [step for step in logged if step["step"] >= warm_up]
    if len(counted) < 2:
        raise RunError(f"{len(counted)} logged steps from step {warm_up} on, two are needed; take more steps")
    first, last = counted[0], counted[-1]
    return Timed(
        steps=last["step"] - first["step"],
        seconds=last["at"] - first["at"],
        tokens=last[TOKENS] - first[TOKENS],
        written=answers_per_step * sum(step.get(LENGTH, 0.0) for step in counted[1:]),
        values=tuple(step[value] for step in logged if value in step),
        peak_gib=record["peak_gib"],
    )


def last_quarter(values: Sequence[float]) -> float:
    """Their mean: a single step's loss depends on its batch."""
    late = values[-max(1, len(values) // 4) :]
    return sum(late) / len(late)
