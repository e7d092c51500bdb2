"""A scripted expert per task kind: solves an instance from its instruction and what it sees.

It reads the words of the instruction and the answers of the shell, never the
true state, so what it demonstrates can be learned from what an agent sees. It
looks before it acts where the instruction alone is not enough, returns home
when something moved it, and starts over, less sure of itself, when its script
ended short of the goal.
"""

import random
import re
from collections.abc import Callable, Generator

from agentworld_dag.environments.explorers import random_command
from agentworld_dag.environments.protocol import Task

Plan = Generator[str, str, None]
"""Yields commands, is sent the output of each."""


class Expert:
    """The expert on one instance; with probability `noise` a random command is sent in its place."""

    policy = "noisy-expert"

    def __init__(self, task: Task, rng: random.Random, noise: float):
        self._task, self._rng, self._noise = task, rng, noise
        self._plan = _plan(task)
        self._next = next(self._plan)
        self._at_home = True

    def act(self, state: str) -> str:
        """The command to send; `state` is shown to the noise only."""
        if self._rng.random() < self._noise:
            return random_command(state, self._rng)
        return self._next if self._at_home else "cd"

    def observe(self, action: str, observation: str) -> None:
        """What was sent and what came back; only the expert's own command moves its script on."""
        output, _, prompt = observation.rpartition("\n")
        if self._at_home and action == self._next:
            self._advance(output)
        self._at_home = re.match(r"~(\[|\$)", prompt) is not None

    def _advance(self, output: str) -> None:
        try:
            self._next = self._plan.send(output)
        except StopIteration:  # short of the goal: something the noise did is in the way, so trust the script less
            self._noise = (1 + self._noise) / 2
            self._plan = _plan(self._task)
            self._next = next(self._plan)


def _plan(task: Task) -> Plan:
    return _PLANS[task.kind](task.instruction.split())


def _write(words: list[str]) -> Plan:
    yield f"echo {words[1]} > {words[3]}"


def _append(words: list[str]) -> Plan:
    yield f"echo {words[1]} >> {words[3]}"


def _copy(words: list[str]) -> Plan:
    yield f"cp {words[1]} {words[3]}"


def _move(words: list[str]) -> Plan:
    yield f"mv {words[1]} {words[3]}"


def _delete(words: list[str]) -> Plan:
    yield f"rm {words[1]}"


def _shelve(words: list[str]) -> Plan:
    yield f"mkdir {words[2]}"
    yield f"mv {words[5]} {words[2]}"


def _start(words: list[str]) -> Plan:
    yield f"mkdir {words[2]}"
    yield f"echo {words[5]} > {words[2]}/{words[7]}"


def _purge(words: list[str]) -> Plan:
    found = yield f"grep -l {words[7]} {words[4]}/*"
    if found and not found.startswith("grep:"):
        yield f"rm {found.splitlines()[0]}"


def _count(words: list[str]) -> Plan:
    lines, _, _ = (yield f"wc -l {words[5]}").partition(" ")
    if lines.isdigit():
        yield f"echo {lines} > {words[7]}"


def _first(words: list[str]) -> Plan:
    yield f"head -n 1 {words[5]} > {words[7]}"


def _sort(words: list[str]) -> Plan:
    yield f"sort {words[1]} > {words[3]}"


_PLANS: dict[str, Callable[[list[str]], Plan]] = {
    "write": _write, "append": _append, "copy": _copy, "rename": _move, "delete": _delete, "move": _move,
    "shelve": _shelve, "start": _start, "purge": _purge, "count": _count, "first": _first, "sort": _sort,
}  # fmt: skip
