"""Judged AgentWorldBench rows, as the official script writes them (its repository at cd0aa83).

One JSON object a line: `task`, `id`, `turn_idx`, one field per dimension,
`total_score` and `failed`. What cannot be used is reported, and the rest goes
on. What a row is worth is for `official` and `strict` to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from agentworld_dag.benchmark.lines import Line, read_lines
from agentworld_dag.errors import EvaluationError
from agentworld_dag.trajectories.schema import Domain

DOMAINS = get_args(Domain)
TOTAL = "total_score"
ERROR_BUDGET = 0.01
"""Largest share of rows without a usable judgement for which a score is given."""

Sample = tuple[str, str, str]
"""Domain, trajectory and turn."""


@dataclass(frozen=True)
class JudgedRow:
    """One line of a file, nothing interpreted but where it belongs."""

    line: int
    domain: str
    fields: Mapping[str, Any]

    @property
    def sample(self) -> Sample:
        """What was judged."""
        return _sample(self.domain, self.fields)

    @property
    def failed(self) -> bool:
        """Not answered or not judged. Anything but a zero counts, as in the official script."""
        return self.fields.get("failed", 1.0) != 0.0


@dataclass(frozen=True)
class Judgements:
    """A file: its rows, and what could not be used of it."""

    path: Path
    rows: tuple[JudgedRow, ...]
    problems: tuple[str, ...]
    """One sentence each, with file and line."""


def read_judged(path: Path) -> Judgements:
    """Every JSON object of the file, as the official script takes them.

    Raises EvaluationError when the file cannot be read or holds no object.
    """
    lines, problems = read_lines(path, "a file of judged rows")
    rows = tuple(map(_row, lines))
    if not rows:
        seen = f" (first problem: {problems[0]})" if problems else ""
        raise EvaluationError(f"{path} holds no judged row{seen}; expected one JSON object a line")
    return Judgements(path, rows, tuple(problems))


def sound(judged: Judgements) -> Judgements:
    """The rows that say what they judge: known domain, trajectory and turn, each sample once.

    Raises EvaluationError when there is none.
    """
    rows: dict[Sample, JudgedRow] = {}
    problems = list(judged.problems)
    for row in judged.rows:
        problem = _what_is_wrong(row)
        if not problem and row.sample in rows:
            problem = f"the sample of line {rows[row.sample].line} again"
        if problem:
            problems.append(f"{judged.path}:{row.line}: {problem}; left out")
        else:
            rows[row.sample] = row
    if not rows:
        raise EvaluationError(f"{judged.path} holds no usable row; first problem: {problems[0]}")
    return Judgements(judged.path, tuple(rows.values()), tuple(problems))


def clean_samples(path: Path) -> set[Sample]:
    """Samples that an audit (`contamination`) found clean, if any. Raises EvaluationError on an unusable file."""
    lines, problems = read_lines(path, "what `bench audit` wrote")
    try:
        kept = {_sample(line.fields["task"], line.fields) for line in lines if line.fields["clean"]}
    except KeyError as error:
        raise EvaluationError(f"{path} is no audit: a line without {error}; make it with `bench audit`") from error
    if problems or not lines:
        raise EvaluationError(f"{path}: {problems[0] if problems else 'no sample in it'}; make it with `bench audit`")
    return kept


def only(judged: Judgements, samples: set[Sample]) -> Judgements:
    """The judgements of some samples. Raises EvaluationError when there is none."""
    rows = tuple(row for row in judged.rows if row.sample in samples)
    if not rows:
        raise EvaluationError(f"{judged.path} holds none of the {len(samples)} samples asked for")
    return Judgements(judged.path, rows, judged.problems)


def _row(line: Line) -> JudgedRow:
    return JudgedRow(line.number, domain_of(line.fields.get("task", "mcp")), line.fields)


def _sample(domain: str, fields: Mapping[str, Any]) -> Sample:
    return domain, str(fields.get("id")), str(fields.get("turn_idx"))


def domain_of(task: object) -> str:
    """The domain in a `task`, which may name a benchmark before it."""
    return str(task).rpartition("/")[2]


def _what_is_wrong(row: JudgedRow) -> str:
    if missing := [name for name in ("task", "id", "turn_idx") if name not in row.fields]:
        return f"no {', '.join(missing)}"
    if row.domain not in DOMAINS:
        return f"unknown domain {row.fields['task']!r}, expected one of {', '.join(DOMAINS)}"
    return ""
