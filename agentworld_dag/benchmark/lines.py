"""JSON lines as benchmark files hold them.

Lines end in "\\n" only: observations hold U+2028 and its kind, at which
`str.splitlines` would cut them. A line that is no JSON object is reported with
its file and number, and the rest goes on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentworld_dag.errors import EvaluationError


@dataclass(frozen=True)
class Line:
    """One object and where it stood, counted from 1."""

    number: int
    fields: Mapping[str, Any]


def read_lines(path: Path, expected: str) -> tuple[list[Line], list[str]]:
    """(objects, problems) of a file. Raises EvaluationError, naming what was `expected`, when it cannot be read."""
    try:
        texts = path.read_bytes().split(b"\n")
    except OSError as error:
        raise EvaluationError(f"cannot read {path}: {error.strerror}; expected {expected}") from error
    lines, problems = [], []
    for number, text in enumerate(texts, start=1):
        if text.strip():
            try:
                lines.append(_line(number, text))
            except (ValueError, RecursionError) as error:
                problems.append(f"{path}:{number}: {error}; left out")
    return lines, problems


def _line(number: int, text: bytes) -> Line:
    """Raises ValueError."""
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError(f"{type(fields).__name__} instead of a JSON object")
    return Line(number, fields)
