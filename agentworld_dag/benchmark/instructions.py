"""Simulation instructions with an answer known by construction (paper Appendix C, controllability; paper.md metric 19).

Each takes a recorded session and says what it would have been under the
instruction: every turn it touches is rewritten, every other turn and every
recorded state stays as true as it was, and where that cannot be had the
session is cut. Instructions that change what later turns find are left out.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from agentworld_dag.benchmark.shell_home import ABSENT
from agentworld_dag.benchmark.shell_rules import Expected, expected_answer
from agentworld_dag.environments.file_system import CWD
from agentworld_dag.trajectories.patch import format_state, parse_state
from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Trajectory, Turn

ELSE = "Nothing else differs from an ordinary shell."
MARK = "+"
"""Between the id of the recorded session and the name of the instruction."""
_INSTALLED = ("cat", "head", "tail", "sort", "wc", "grep", "ls")
_OPENING = ("cat", "head", "tail", "sort", "wc", "grep")
_LISTING = ("ls", "test")
_WRITING = {
    "touch": "touch: cannot touch '{}'",
    "mkdir": "mkdir: cannot create directory '{}'",
    "rm": "rm: cannot remove '{}'",
    "rmdir": "rmdir: failed to remove '{}'",
    ">": "bash: {}",
}


@dataclass(frozen=True)
class Instructed:
    """A session under an instruction."""

    name: str
    trajectory: Trajectory
    turn_index: int
    """The first turn the instruction shows in."""
    expected: Expected
    """The answer there."""
    touched: frozenset[int]
    """Every turn that is answered otherwise than without it, the prompt's sign aside."""
    sign: str = "$"
    """What every prompt ends in."""


Instruction = Callable[[Trajectory, random.Random], Instructed | None]


def instructed(trajectory: Trajectory, draw: random.Random) -> Instructed | None:
    """The session under one of the instructions that fit it, drawn."""
    for name in draw.sample(list(INSTRUCTIONS), len(INSTRUCTIONS)):
        if found := INSTRUCTIONS[name](trajectory, draw):
            return found
    return None


def recorded_id(id: str) -> str:
    """The id of the session that was recorded."""
    return next((id.removesuffix(f"{MARK}{name}") for name in INSTRUCTIONS if id.endswith(f"{MARK}{name}")), id)


def _not_installed(trajectory: Trajectory, draw: random.Random) -> Instructed | None:
    """A command that only reads is missing; cut where it would have written through a redirection."""
    first = {name: index for index in reversed(range(len(trajectory.turns))) if (name := _used(trajectory, index))}
    names = [name for name, index in first.items() if ">" not in trajectory.turns[index].action]
    if not names:
        return None
    name = draw.choice(names)
    uses = [index for index in range(len(trajectory.turns)) if _used(trajectory, index) == name]
    end = next((index for index in uses if ">" in trajectory.turns[index].action), len(trajectory.turns))
    answers = {index: _failing(trajectory, index, f"bash: {name}: command not found", 127) for index in uses}
    text = f"The command {name} is not installed: the shell answers as to any command it cannot find. {ELSE}"
    return _made("not_installed", text, trajectory, first[name], answers, end)


def _unreadable(trajectory: Trajectory, draw: random.Random) -> Instructed | None:
    """A file of root's, met by the first command that opens it; cut where it is named again."""
    files = [key for key in parse_state(trajectory.system.initial_state) if key != CWD and not key.endswith("/")]
    for path in draw.sample(files, len(files)):
        met = [index for index in range(len(trajectory.turns)) if _meets(trajectory, index, path)]
        answer = _denied(trajectory, met[0], path) if met else None
        if answer:
            end = met[1] if len(met) > 1 else len(trajectory.turns)
            text = f"The file {path} of the home directory belongs to root, and only root may read or write it. {ELSE}"
            return _made("unreadable", text, trajectory, met[0], {met[0]: answer}, end)
    return None


def _root_prompt(trajectory: Trajectory, draw: random.Random) -> Instructed | None:
    known = expected_answer(trajectory.system.initial_state, trajectory.turns[0].action)
    if known is None:
        return None
    text = f"Every prompt ends in # where it would end in $. {ELSE}"
    turns = tuple(replace(turn, observation=f"{(turn.observation or '')[:-1]}#") for turn in trajectory.turns)
    answers = {0: replace(known, sign="#")}
    return replace(_made("root_prompt", text, replace(trajectory, turns=turns), 0, answers, len(turns)), sign="#")


def _read_only(trajectory: Trajectory, draw: random.Random) -> Instructed | None:
    """The first write fails, and the session ends with it: later turns would find what was never written."""
    writes = (index for index, turn in enumerate(trajectory.turns) if _writes(turn.action))
    index = next(writes, None)
    failure = _refused(trajectory.turns[index].action) if index is not None else None
    if index is None or failure is None:
        return None
    before = state_before(trajectory, index)
    ordinary = expected_answer(before, trajectory.turns[index].action)
    if not ordinary or ordinary.body:  # it fails on any disk
        return None
    turns = (*trajectory.turns[:index], replace(trajectory.turns[index], state=before))
    text = f"The disk is read-only: whoever would write to it gets `Read-only file system`. {ELSE}"
    answers = {index: _failing(trajectory, index, f"{failure}: Read-only file system", 1)}
    return _made("read_only", text, replace(trajectory, turns=turns), index, answers, index + 1)


INSTRUCTIONS: dict[str, Instruction] = {
    "not_installed": _not_installed,
    "unreadable": _unreadable,
    "root_prompt": _root_prompt,
    "read_only": _read_only,
}


def _made(
    name: str, text: str, trajectory: Trajectory, index: int, answers: dict[int, Expected], end: int
) -> Instructed:
    turns = tuple(_answered(turn, answers.get(at)) for at, turn in enumerate(trajectory.turns[:end]))
    system = replace(trajectory.system, simulation_instruction=text)
    changed = replace(trajectory, id=f"{trajectory.id}{MARK}{name}", system=system, turns=turns)
    return Instructed(name, changed, index, answers[index], frozenset(answers))


def _answered(turn: Turn, answer: Expected | None) -> Turn:
    return replace(turn, observation=answer.shown()) if answer else turn


def _failing(trajectory: Trajectory, index: int, line: str, exit_code: int) -> Expected:
    cwd = parse_state(state_before(trajectory, index)).get(CWD, "~")
    return Expected((line,), exit_code, cwd)


def _used(trajectory: Trajectory, index: int) -> str:
    """The reading command that a turn runs; empty for another one, and for one the shell cannot parse."""
    action = trajectory.turns[index].action
    command = (action.split() or [""])[0]
    return command if command in _INSTALLED and not action.endswith((")", ">")) else ""


def _meets(trajectory: Trajectory, index: int, path: str) -> bool:
    """Whether a turn may depend on the file's mode: it names the file, or one of that name, or changes it."""
    turn, name = trajectory.turns[index], path.rpartition("/")[2]
    before, after = parse_state(state_before(trajectory, index)), parse_state(turn.state or "")
    command, *words = turn.action.split() or [""]
    named = any(word.rpartition("/")[2] in (name, "*") for word in words) and command not in _LISTING
    return named or before.get(path) != after.get(path)


def _denied(trajectory: Trajectory, index: int, path: str) -> Expected | None:
    """The command's own words for a file it cannot find, with another reason."""
    turn, facts = trajectory.turns[index], parse_state(state_before(trajectory, index))
    words = turn.action.split()
    if words[0] not in _OPENING or {">", ">>"} & set(words) or "*" in turn.action:
        return None
    there = expected_answer(format_state(facts), turn.action)
    gone = expected_answer(format_state({key: facts[key] for key in facts if key != path}), turn.action)
    if not there or not gone or not gone.body or there == gone:
        return None
    return replace(gone, body=tuple(line.replace(ABSENT, "Permission denied") for line in gone.body))


def _refused(action: str) -> str | None:
    command, *words = action.split()
    if len(words) > 1 and words[-2] in (">", ">>"):
        return _WRITING[">"].format(words[-1])
    return _WRITING[command].format(words[0]) if command in _WRITING and len(words) == 1 else None


def _writes(action: str) -> bool:
    return ">" in action or action.split()[:1] in (["mv"], ["cp"], *([command] for command in _WRITING))
