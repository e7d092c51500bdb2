"""Results that outlive their run: a file of JSON lines, each written as soon as its call has ended.

A process killed at any moment loses what was in flight, nothing else. A line
cut short by the kill, and lines that a later one for the same sample replaced,
go when the file is opened or closed. What every line depends on stands beside
it in `settings.json`; a file made with other settings, or by something else
that left none, is refused, not mixed.
"""

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from agentworld_dag.benchmark.lines import read_lines
from agentworld_dag.benchmark.samples import Key
from agentworld_dag.errors import EvaluationError


class ResultsFile:
    """One result per sample; a later line for a sample replaces an earlier one."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._settings = dict(settings)

    def __enter__(self) -> Self:
        """Raises EvaluationError when it cannot be written, another run writes to it or it is not of these settings."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self.path.with_suffix(".lock").open("w")
        except OSError as error:
            raise EvaluationError(f"cannot write to {self.path}: {error.strerror}; name another folder") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise EvaluationError(f"another run writes to {self.path}; wait for it or name another folder") from error
        self._refuse_foreign()
        self._keep_last_lines()
        self._check_settings()
        self._file = self.path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._keep_last_lines()
        self._lock.close()

    def rows(self) -> dict[Key, dict[str, Any]]:
        """What is there, by sample."""
        lines, _ = read_lines(self.path, "results")
        return {key_of(line.fields): dict(line.fields) for line in lines}

    def add(self, row: Mapping[str, Any]) -> None:
        self._file.write(_line(row))
        self._file.flush()

    def _refuse_foreign(self) -> None:
        """Settings are written before the first row: rows without them are not ours, and are left as they are."""
        if self.path.is_file() and self.path.stat().st_size and not self.path.with_name("settings.json").is_file():
            raise EvaluationError(f"{self.path} was not made by a run: no settings.json beside it; name another folder")

    def _check_settings(self) -> None:
        beside = self.path.with_name("settings.json")
        if not self.rows():
            _replace(beside, json.dumps(self._settings, indent=1).encode())
            return
        made_with = json.loads(beside.read_text())
        others = sorted(n for n in made_with | self._settings if made_with.get(n) != self._settings.get(n))
        if others:
            told = ", ".join(f"{n} {made_with.get(n)!r} instead of {self._settings.get(n)!r}" for n in others)
            raise EvaluationError(f"{self.path} was made with {told}; name another folder, or the same settings")

    def _keep_last_lines(self) -> None:
        rows = self.rows().values() if self.path.is_file() else ()
        _replace(self.path, b"".join(map(_line, rows)))


def key_of(fields: Mapping[str, Any]) -> Key:
    return str(fields["task"]), str(fields["id"]), int(fields["turn_idx"])


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which a model may write and UTF-8 does not have
        return json.dumps(row).encode() + b"\n"


def _replace(path: Path, content: bytes) -> None:
    """Written aside first: a kill leaves the old file or the new one."""
    aside = path.with_suffix(".part")
    aside.write_bytes(content)
    aside.replace(path)
