"""What a stage uses and what that costs: seconds, GPU-seconds, processor time, tokens and money.

`cost.jsonl` in the artifact's folder only grows: each line holds what was used
since the line before, so the attempts of a resumed stage add up. A line comes
every few seconds with the stage's metrics and at the end of its work, however
it ends; SIGKILL loses what was used since the last line, which is the whole
attempt of a stage that logs no metrics. Memory, disk, network and the time
MLflow takes at the end are left out.
"""

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentworld_dag.prices import Prices

COST = "cost.jsonl"
RECORD_EVERY_S = 5.0
HOUR_S, MILLION = 3600, 1_000_000


@dataclass(frozen=True)
class Use:
    """Amounts, of which any two add up."""

    seconds: float = 0.0
    """Wall time of processes from their start, as in the report: a machine is busy while Python imports."""
    gpu_s: float = 0.0
    """Those seconds times the GPUs that torch sees on all nodes; 0 where no torch was loaded."""
    cpu_core_s: float = 0.0
    """Processor time, user and system, of the process and the children it has waited for."""
    tokens: int = 0
    """All that were counted, those of calls included."""
    prompt_tokens: int = 0
    """Of calls to endpoints."""
    completion_tokens: int = 0
    """Of calls to endpoints."""

    def __add__(self, other: "Use") -> "Use":
        return Use(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __sub__(self, other: "Use") -> "Use":
        return Use(*(mine - its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))


class Meter:
    """What the attempts to make one artifact use. State: tokens counted, and what this process has written down."""

    def __init__(self, out: Path, nodes: int = 1) -> None:
        """`nodes`: alike, as many as the stage runs on."""
        self._path, self._nodes = out / COST, nodes
        self._counted: Counter[str] = Counter()
        self._recorded = Use()
        self._next_record_at = time.monotonic() + RECORD_EVERY_S

    def count_tokens(self, tokens: int) -> None:
        """Add what a model in this process read and wrote; it costs the machine's time."""
        self._counted.update(tokens=tokens)

    def count_calls(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Add the tokens of calls to endpoints, which are paid for by themselves."""
        self.count_tokens(prompt_tokens + completion_tokens)
        self._counted.update(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)

    def record(self) -> None:
        """Write down what was used since the last time."""
        now = _by_process(self._counted, self._nodes)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(now - self._recorded)) + "\n")
        self._recorded, self._next_record_at = now, time.monotonic() + RECORD_EVERY_S

    def record_if_due(self) -> None:
        if time.monotonic() >= self._next_record_at:
            self.record()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Work of which the last of its use is written down even when it fails."""
        try:
            yield
        finally:
            self.record()

    def total(self) -> Use:
        """What was written down, of all attempts."""
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        return sum((Use(**json.loads(line)) for line in lines), Use())


def priced(used: Use, prices: Prices) -> dict[str, Any]:
    """The amounts with their `money` and its `currency`."""
    machines = used.cpu_core_s * prices.cpu_core_hour + used.gpu_s * prices.gpu_hour
    calls = (
        used.prompt_tokens * prices.million_prompt_tokens + used.completion_tokens * prices.million_completion_tokens
    )
    return asdict(used) | {"money": machines / HOUR_S + calls / MILLION, "currency": prices.currency}


def process_started_at(pid: int | None = None) -> float:
    """Epoch seconds, from the kernel: of this process the interpreter's own start is part of the overhead.

    Raises FileNotFoundError when there is no process with that id.
    """
    ticks_since_boot = int(Path(f"/proc/{pid or 'self'}/stat").read_text().rpartition(")")[2].split()[19])
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks_since_boot / os.sysconf("SC_CLK_TCK")
    return time.time() - age_s


def _by_process(counted: Counter[str], nodes: int) -> Use:
    seconds = time.time() - process_started_at()
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_core_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return Use(seconds, seconds * _visible_gpus() * nodes, cpu_core_s, **counted)


def _visible_gpus() -> int:
    torch = sys.modules.get("torch")  # never imported for this: most stages do without
    return torch.cuda.device_count() if torch and torch.cuda.is_available() else 0
