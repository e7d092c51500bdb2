"""Executable checks: one answer a shell must give, held against what a world model gave.

The paper's third instrument (paper Appendix C: controllability, error
handling, long-context consistency), which it did not release. A check reads
the observation alone, no reference text and no judge: body, working directory,
exit code and the sign of the prompt. Harmless and tolerated: blank space around
the answer and at line ends, and typographic quotes, which GNU tools print in
another locale. All else counts. Where checks come from is in `check_generation`.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import TypeAdapter, ValidationError

from agentworld_dag.benchmark.lines import Line, read_lines
from agentworld_dag.benchmark.samples import Key, placed
from agentworld_dag.benchmark.shell_rules import Expected

Axis = Literal["controllability", "error", "consistency"]
AXES: tuple[Axis, ...] = get_args(Axis)

_PROMPT = re.compile(r"(?P<cwd>[~/][^\s\[\]$#]*)(?:\[(?P<code>[1-9]\d*)\])?(?P<sign>[$#])")
_QUOTES = str.maketrans("\u2018\u2019", "''")


@dataclass(frozen=True)
class Check:
    """What the answer at one turn of one trajectory must be."""

    domain: str
    id: str
    turn: int
    """Counted from 1."""
    axis: Axis
    rule: str
    horizon: int | None
    """Turns since the fact it is about was changed; consistency only."""
    expected: Expected

    @property
    def key(self) -> Key:
        return self.domain, self.id, self.turn


def accepts(check: Check, observation: str | None) -> bool:
    """Whether the answer is as it must be; none, or one that does not end in a prompt, is not."""
    found = parsed(observation) if observation is not None else None
    if found is None:
        return False
    wanted = check.expected
    return (
        found.sign == wanted.sign
        and (wanted.body is None or _comparable(found) == _comparable(wanted))
        and wanted.exit_code in (None, found.exit_code)
        and wanted.cwd in (None, found.cwd)
    )


def parsed(observation: str) -> Expected | None:
    """An observation taken apart; None where its last line is no prompt."""
    *body, last = observation.strip().split("\n")
    prompt = _PROMPT.fullmatch(last)
    return prompt and Expected(tuple(body), int(prompt["code"] or 0), prompt["cwd"], prompt["sign"])


def write_checks(path: Path, checks: Iterable[Check]) -> None:
    """One JSON object a line."""
    rows = (
        placed(check.key)
        | {"axis": check.axis, "rule": check.rule, "horizon": check.horizon, "expected": asdict(check.expected)}
        for check in checks
    )
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_checks(path: Path) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """(checks, problems with file and line). Raises EvaluationError when the file cannot be read."""
    lines, problems = read_lines(path, "checks as `agentworld bench checks` writes them")
    checks = []
    for line in lines:
        try:
            checks.append(_check(line))
        except ValidationError as error:
            wrong = error.errors()[0]
            problems.append(f"{path}:{line.number}: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}; left out")
    return tuple(checks), tuple(problems)


def _check(line: Line) -> Check:
    """Raises ValidationError."""
    named = {"domain": line.fields.get("task"), "turn": line.fields.get("turn_idx")}
    return TypeAdapter(Check).validate_json(json.dumps({**line.fields, **named}), strict=True)


def _comparable(answer: Expected) -> str:
    lines = (line.rstrip() for line in answer.body or ())
    return "\n".join(lines).translate(_QUOTES).strip()
