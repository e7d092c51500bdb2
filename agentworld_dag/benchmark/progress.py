"""The progress of a benchmark run: how many answers, at what rate, how long still."""

import sys
from typing import Any

from tqdm import tqdm

ON_A_TERMINAL_S, IN_A_FILE_S = 0.1, 30.0
"""A bar that draws over itself may be drawn often; in a file every drawing stays."""


def progress_bar(what: str, total: int, unit: str) -> "tqdm[Any]":
    """On stderr; nothing where there is nothing to do."""
    every_s = ON_A_TERMINAL_S if sys.stderr.isatty() else IN_A_FILE_S
    return tqdm(total=total, desc=what, unit=unit, smoothing=0.1, mininterval=every_s, disable=not total)
