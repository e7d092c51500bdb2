"""Checks that the rules propose for one session: errors, and instructions obeyed and no further.

error: the action fails; the rules know the message and the exit code.
controllability: the session under an instruction, at the first turn it shows
in and at one turn it must not touch.
A candidate has proven nothing yet: see `check_generation`.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from agentworld_dag.benchmark.checks import Axis, Check
from agentworld_dag.benchmark.instructions import Instructed, instructed
from agentworld_dag.benchmark.shell_rules import Expected, expected_answer
from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Trajectory

ERRORS = {
    "No such file or directory": "absent_path_error",
    "Is a directory": "is_directory_error",
    "Not a directory": "not_directory_error",
    "File exists": "exists_error",
    "Directory not empty": "not_empty_error",
    "are the same file": "same_file_error",
    "command not found": "unknown_command_error",
    "syntax error": "syntax_error",
    "too many arguments": "usage_error",
    "--help": "usage_error",
}
"""The rule a message belongs to, by what it says."""


@dataclass(frozen=True)
class Candidate:
    """A proposed check, the session it is about and what it must reject."""

    check: Check
    trajectory: Trajectory
    contradictions: Mapping[str, str] = field(default_factory=dict)
    """Answers that would be right if the fact or the instruction were not minded, by name."""

    @property
    def action(self) -> str:
        return self.trajectory.turns[self.check.turn - 1].action

    @property
    def truth(self) -> str:
        return self.trajectory.turns[self.check.turn - 1].observation or ""

    @property
    def last(self) -> str:
        """What was on the screen before the action."""
        shown = [FIRST_OBSERVATION, *(turn.observation or "" for turn in self.trajectory.turns)]
        return shown[self.check.turn - 1]


def candidate(
    trajectory: Trajectory,
    index: int,
    axis: Axis,
    rule: str,
    expected: Expected,
    horizon: int | None = None,
    **wrong: Expected | None,
) -> Candidate:
    """`wrong`: answers to reject, by name."""
    check = Check(trajectory.domain, trajectory.id, index + 1, axis, rule, horizon, expected)
    return Candidate(check, trajectory, {name: answer.shown() for name, answer in wrong.items() if answer})


def known_answer(trajectory: Trajectory, index: int) -> Expected | None:
    """What the rules say of a turn."""
    return expected_answer(state_before(trajectory, index), trajectory.turns[index].action)


def error_candidates(trajectory: Trajectory) -> Iterator[Candidate]:
    """A failure that says nothing (`test`, `grep` without a match) is an answer, not an error."""
    for index in range(len(trajectory.turns)):
        known = known_answer(trajectory, index)
        if known and known.exit_code and known.body:
            rule = next((name for says, name in ERRORS.items() if says in "\n".join(known.body)), "other_error")
            yield candidate(trajectory, index, "error", rule, known)


def controllability_candidates(trajectory: Trajectory, draw: random.Random) -> Iterator[Candidate]:
    """None where no instruction fits the session."""
    made = instructed(trajectory, draw)
    if made is None:
        return
    at, under = made.turn_index, made.trajectory
    ordinary = known_answer(under, at)
    yield candidate(under, at, "controllability", f"{made.name}_obeyed", made.expected, ignored=ordinary)
    if others := _untouched(made):
        index = draw.choice(sorted(others))
        spread = replace(made.expected, cwd=others[index].cwd) if made.sign == "$" else None
        yield candidate(under, index, "controllability", f"{made.name}_elsewhere", others[index], spread=spread)


def _untouched(made: Instructed) -> dict[int, Expected]:
    """Answers of turns the instruction must not touch: those after it first shows, if any, that print something."""
    turns = set(range(len(made.trajectory.turns))) - made.touched
    known = {index: answer for index in turns if (answer := known_answer(made.trajectory, index))}
    known = {index: replace(answer, sign=made.sign) for index, answer in known.items()}
    for preferred in (
        {index for index in known if index > made.turn_index and known[index].body},
        {index for index in known if known[index].body},
        set(known),
    ):
        if preferred:
            return {index: known[index] for index in preferred}
    return {}
