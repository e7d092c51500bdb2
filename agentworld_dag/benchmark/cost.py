"""What calls cost: tokens, seconds and money of each row, and the totals of a file of rows.

A call that was tried again counts its last attempt alone: what an endpoint
bills for an answer that never came is not known here. A row made again
replaces the earlier one and its cost.
"""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentworld_dag.benchmark.lines import Line, read_lines
from agentworld_dag.endpoints.client import Refusal, Reply
from agentworld_dag.errors import ConfigError

MILLION = 1_000_000
SHOWN_CAUSES = 5


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens, in any one currency."""

    tokens_in: float
    tokens_out: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(price) and price >= 0 for price in (self.tokens_in, self.tokens_out)):
            raise ConfigError(
                f"prices {self.tokens_in:g} in and {self.tokens_out:g} out: expected money for a million tokens, from 0"
            )


def used(found: Reply | Refusal, prices: Prices | None) -> dict[str, Any]:
    """The fields of a row that say what its call used; `cost` is None where the endpoint did not count tokens."""
    fields: dict[str, Any] = {"prompt_tokens": found.prompt_tokens, "completion_tokens": found.completion_tokens}
    if isinstance(found, Reply):
        fields["latency_s"] = round(found.latency_s, 3)
    return fields if prices is None else fields | {"cost": _cost(found, prices)}


def _cost(found: Reply | Refusal, prices: Prices) -> float | None:
    if found.prompt_tokens is None or found.completion_tokens is None:
        return None
    return (found.prompt_tokens * prices.tokens_in + found.completion_tokens * prices.tokens_out) / MILLION


def totals(path: Path, what: str) -> str:
    """One line about a file of rows: calls, tokens, seconds, money and failures by cause."""
    lines, _ = read_lines(path, what)
    calls = [line for line in lines if "prompt_tokens" in line.fields]
    tokens_in, tokens_out = (round(_sum(calls, name)) for name in ("prompt_tokens", "completion_tokens"))
    told = f"{what}: {len(calls)} calls, {tokens_in} tokens in, {tokens_out} out, {_sum(calls, 'latency_s'):.1f} s"
    if any("cost" in line.fields for line in calls):
        told += f", cost {_sum(calls, 'cost'):.4f}"
        unknown = sum(line.fields.get("cost") is None for line in calls)
        told += f" and {unknown} calls of unknown cost" if unknown else ""
    return f"{told}; {_failures(lines)}"


def tokens_below(folder: Path) -> tuple[int, int]:
    """(prompt, completion) tokens of the rows that lie in folders below; a row without a count adds nothing."""
    lines = [line for path in sorted(folder.glob("*/**/*.jsonl")) for line in read_lines(path, "results")[0]]
    return round(_sum(lines, "prompt_tokens")), round(_sum(lines, "completion_tokens"))


def _sum(lines: list[Line], name: str) -> float:
    values = (line.fields.get(name) for line in lines)
    return sum(value for value in values if isinstance(value, int | float))


def _failures(lines: list[Line]) -> str:
    causes = Counter(_cause(line) for line in lines if line.fields.get("failed"))
    shown = ", ".join(f"{cause} ({count})" for cause, count in causes.most_common(SHOWN_CAUSES))
    return f"{causes.total()} of {len(lines)} failed{': ' if shown else ''}{shown}"


def _cause(line: Line) -> str:
    """Without its details, which differ from row to row."""
    return str(line.fields.get("error_message", "no cause told")).partition(": ")[0]
