"""Judged rows with the quirks the official script lets through, drawn from a seed."""

import json
import random
from pathlib import Path
from typing import Any

DOMAINS = ("mcp", "search", "terminal", "swe", "android", "web", "os")
DIMENSIONS = ("format", "factuality", "consistency", "realism", "quality")


def judged_rows(count: int = 1200, seed: int = 0) -> list[dict[str, Any]]:
    """Mostly plain judgements; about a fifth is odd in one of the ways of `QUIRKS`."""
    draw = random.Random(seed)
    return [*(_row(draw, number) for number in range(count)), *_lost_domains()]


def _lost_domains() -> list[dict[str, Any]]:
    """A domain in which everything failed, and one in which every score is dropped."""
    failed = [{"task": "sailing", "id": i, "turn_idx": 1, "failed": 1.0} for i in range(3)]
    zeros = dict.fromkeys((*DIMENSIONS, "total_score"), 0)
    return [*failed, *({"task": "weaving", "id": i, "turn_idx": 1, "failed": 0.0, **zeros} for i in range(2))]


def _row(draw: random.Random, number: int) -> dict[str, Any]:
    scores = {name: draw.randint(1, 5) for name in DIMENSIONS}
    row = {
        "task": draw.choice(("", "agentworld/")) + draw.choice(DOMAINS),
        "id": number // 5,
        "turn_idx": number % 5 + 1,
        "gen": "a\u2028b",
        **scores,
        "total_score": sum(scores.values()) / 5,
        "failed": 0.0,
    }
    if draw.random() < 0.2:
        draw.choice(QUIRKS)(draw, row)
    return row


def _failed(draw: random.Random, row: dict[str, Any]) -> None:
    row |= {"failed": 1.0, "total_score": 0, "error_message": "Judge scoring failed"}


def _never_judged(draw: random.Random, row: dict[str, Any]) -> None:
    for name in (*DIMENSIONS, "total_score", "failed"):
        del row[name]


def _zero(draw: random.Random, row: dict[str, Any]) -> None:
    row[draw.choice(DIMENSIONS)] = 0


def _all_zero(draw: random.Random, row: dict[str, Any]) -> None:
    row |= dict.fromkeys((*DIMENSIONS, "total_score"), 0)


def _missing(draw: random.Random, row: dict[str, Any]) -> None:
    del row[draw.choice(DIMENSIONS)]


def _one_only(draw: random.Random, row: dict[str, Any]) -> None:
    row |= dict.fromkeys(DIMENSIONS, 0) | {"format": 5, "total_score": 5.0}


def _negative(draw: random.Random, row: dict[str, Any]) -> None:
    row[draw.choice(DIMENSIONS)] = -1


def _float(draw: random.Random, row: dict[str, Any]) -> None:
    row[draw.choice(DIMENSIONS)] = draw.choice((2.5, 4.5, 3.0, 17.25))


def _true(draw: random.Random, row: dict[str, Any]) -> None:
    row[draw.choice(DIMENSIONS)] = True


def _failed_with_text(draw: random.Random, row: dict[str, Any]) -> None:
    row |= {"failed": "no", "format": "4.5"}


def _failed_as_integer(draw: random.Random, row: dict[str, Any]) -> None:
    row["failed"] = draw.choice((0, False, 1, None))


def _unknown_domain(draw: random.Random, row: dict[str, Any]) -> None:
    row["task"] = "cooking"


def _no_domain(draw: random.Random, row: dict[str, Any]) -> None:
    del row["task"]


def _again(draw: random.Random, row: dict[str, Any]) -> None:
    row |= {"task": "android", "id": 1, "turn_idx": 1}


QUIRKS = (
    _failed, _never_judged, _zero, _all_zero, _missing, _one_only, _negative, _float, _true,
    _failed_with_text, _failed_as_integer, _unknown_domain, _no_domain, _again,
)  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
