"""AgentWorldBench samples, read from the official layout (its repository at cd0aa83).

A folder holds `{domain}_test.jsonl` files, one sample a line: one turn of a
trajectory whose actions are `prompt` and whose real observations are
`response`; `turn_idx` counts from 1. What cannot be used is reported with file
and line, and the rest goes on. Writing this layout from our own trajectories
is in `trajectories.agentworldbench`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentworld_dag.benchmark.judged import DOMAINS, domain_of
from agentworld_dag.benchmark.lines import read_lines
from agentworld_dag.errors import EvaluationError

FILES = "*_test.jsonl"
FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "task": str,
    "id": (str, int),
    "prompt": list,
    "response": list,
    "current_prompt": str,
    "system_str": str,
    "turn_idx": int,
    "total_turns": int,
}
STATES = ("initial_state", "state")
"""Fields of our own files only."""
Message = dict[str, str]
Key = tuple[str, str, int]
"""Domain, trajectory and turn of a sample."""


@dataclass(frozen=True)
class BenchSample:
    """One turn to be predicted, with the true turns before it."""

    domain: str
    id: str
    turn: int
    """Counted from 1, as in the files."""
    total_turns: int
    system: str
    actions: tuple[str, ...]
    """Up to the turn, its own last."""
    observations: tuple[str, ...]
    """As many; the last is the truth."""
    initial_state: str = ""
    """The true state the trajectory starts from, where the file holds it (our own do)."""
    state: str = ""
    """The true state the action met."""

    @property
    def key(self) -> Key:
        return self.domain, self.id, self.turn

    @property
    def truth(self) -> str:
        return self.observations[-1]

    def messages(self) -> list[Message]:
        """What a world model is shown: the true history, then the action (teacher-forced)."""
        shown = [{"role": "system", "content": self.system}] if self.system else []
        for action, observation in zip(self.actions[:-1], self.observations[:-1], strict=True):
            shown += [{"role": "user", "content": action}, {"role": "assistant", "content": observation}]
        return [*shown, {"role": "user", "content": self.actions[-1]}]


@dataclass(frozen=True)
class Benchmark:
    """A folder: its samples in file order, and what could not be used of it."""

    folder: Path
    samples: tuple[BenchSample, ...]
    problems: tuple[str, ...]
    """One sentence each, with file and line."""


def placed(key: Key) -> dict[str, Any]:
    """The fields by which a row of any file says which sample it is about."""
    return dict(zip(("task", "id", "turn_idx"), key, strict=True))


def read_benchmark(folder: Path) -> Benchmark:
    """Every sound sample below `folder`. Raises EvaluationError when there is none."""
    files = sorted(folder.glob(FILES))
    if not files:
        raise EvaluationError(f"{folder} holds no {FILES}; expected one file for each of {', '.join(DOMAINS)}")
    samples: dict[Key, BenchSample] = {}
    problems: list[str] = []
    for path in files:
        problems += _read_into(samples, path)
    if not samples:
        raise EvaluationError(f"{folder} holds no usable sample; first problem: {problems[0]}")
    return Benchmark(folder, tuple(samples.values()), tuple(problems))


def _read_into(samples: dict[Key, BenchSample], path: Path) -> list[str]:
    """Adds what is sound in a file to `samples`; returns its problems."""
    lines, problems = read_lines(path, "AgentWorldBench samples")
    for line in lines:
        problem = _what_is_wrong(line.fields)
        sample = None if problem else _sample(line.fields)
        if sample and sample.key in samples:
            problem = f"{sample.domain} {sample.id}, turn {sample.turn} again"
        if problem:
            problems.append(f"{path}:{line.number}: {problem}; left out")
        elif sample:
            samples[sample.key] = sample
    return problems if lines or problems else [f"{path}: holds no sample"]


def _sample(fields: Mapping[str, Any]) -> BenchSample:
    turn = fields["turn_idx"]
    return BenchSample(
        domain_of(fields["task"]),
        str(fields["id"]),
        turn,
        fields["total_turns"],
        fields["system_str"],
        tuple(fields["prompt"][:turn]),
        tuple(fields["response"][:turn]),
        *(fields.get(name, "") for name in STATES),
    )


def _what_is_wrong(fields: Mapping[str, Any]) -> str:
    if missing := [name for name in FIELDS if name not in fields]:
        return f"no {', '.join(missing)}"
    for name, kind in FIELDS.items():
        if not isinstance(fields[name], kind) or isinstance(fields[name], bool):
            return f"{name} is {_shown(fields[name])}, expected {_kind(kind)}"
    for name in STATES:
        if not isinstance(fields.get(name, ""), str):
            return f"{name} is {_shown(fields[name])}, expected text"
    if domain_of(fields["task"]) not in DOMAINS:
        return f"unknown domain {fields['task']!r}, expected one of {', '.join(DOMAINS)}"
    return _wrong_turns(fields["prompt"], fields["response"], fields["turn_idx"])


def _wrong_turns(actions: Sequence[Any], observations: Sequence[Any], turn: int) -> str:
    known = min(len(actions), len(observations))
    if not 1 <= turn <= known:
        return f"turn_idx {turn}, but {len(actions)} prompts and {len(observations)} responses"
    if not all(isinstance(text, str) for text in (*actions[:turn], *observations[:turn])):
        return "a prompt or response that is no text"
    return ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _kind(kind: type | tuple[type, ...]) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join({str: "text", int: "a whole number", list: "a list"}[each] for each in kinds)
