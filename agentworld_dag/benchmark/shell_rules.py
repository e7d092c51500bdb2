"""What a shell must answer, from the true state before the action and the action alone.

A second source beside the recorded observation: where both agree the answer
is known by construction, and a check may be built on it. Single commands with
at most one redirection; quotes, pipes, variables and the like have no rule,
and None says so. The shell is that of `environments.terminal`: bash and the
GNU tools in the C locale, a prompt with the working directory and a failing
exit code.
"""

import re
from dataclasses import dataclass

from agentworld_dag.benchmark.shell_changers import CHANGERS
from agentworld_dag.benchmark.shell_home import Home, read_home
from agentworld_dag.benchmark.shell_printed import IS_A_FOLDER, Printed
from agentworld_dag.benchmark.shell_readers import READERS
from agentworld_dag.environments.tasks import WORDS

COMMANDS = READERS | CHANGERS
NOT_COMMANDS = frozenset((*WORDS, "lss", "catt", "remove", "open", "show")) - {"cat", "red", "gold"}
"""Words that explorers send and no shell knows; those left out are a linker and an editor where they are installed."""
_PLAIN = re.compile(r"[\w./~*> -]*", re.ASCII)


@dataclass(frozen=True)
class Expected:
    """What an answer is held to; None where it is not looked at."""

    body: tuple[str, ...] | None
    """The lines before the prompt."""
    exit_code: int | None
    cwd: str | None
    """As the prompt shows it: `~/docs`."""
    sign: str = "$"
    """What the prompt ends in."""

    def shown(self) -> str:
        """The observation, where every part is known."""
        code = f"[{self.exit_code}]" if self.exit_code else ""
        return "\n".join((*(self.body or ()), f"{self.cwd}{code}{self.sign}"))


def expected_answer(state: str, action: str) -> Expected | None:
    """The answer to `action` in `state`, or None where no rule knows it. Raises TrajectoryError on a damaged state."""
    home = read_home(state)
    printed = _answer(home, action) if home else None
    if not home or not printed:
        return None
    directory = home.directory if printed.directory is None else printed.directory
    return Expected((*printed.err, *printed.out), printed.exit_code, f"~/{directory}".removesuffix("/"))


def _answer(home: Home, action: str) -> Printed | None:
    for ending, token in ((")", ")"), (">", "newline")):
        if action.endswith(f" {ending}") and _PLAIN.fullmatch(action[:-2]) and ">" not in action[:-2]:
            return Printed(
                err=(f"bash: syntax error near unexpected token `{token}'", f"bash: `{action}'"), exit_code=2
            )
    command, *words = action.split() or [""]
    if not _PLAIN.fullmatch(action) or any(home.path(word.rstrip("*")) is None for word in words):
        return None
    return _redirected(home, command, words) if ">" in action else _ran(home, command, words)


def _redirected(home: Home, command: str, words: list[str]) -> Printed | None:
    """The shell opens the target first: the command meets a file that is already emptied."""
    *words, sign, target = words if len(words) > 1 else ["", ""]
    path = home.path(target)
    if sign not in (">", ">>") or ">" in f"{target}{''.join(words)}" or "*" in target or path is None:
        return None
    if problem := IS_A_FOLDER * home.is_folder(path) or home.parent_problem(path):
        return Printed(err=(f"bash: {target}: {problem}",), exit_code=1)
    reads_target = command in ("cat", "grep") and path in map(home.path, words)
    kept = home.facts.get(path, "") if sign == ">>" else ""
    printed = None if reads_target else _ran(home.with_file(path, kept), command, words)
    return printed and Printed((), printed.err, printed.exit_code, printed.directory)


def _ran(home: Home, command: str, words: list[str]) -> Printed | None:
    if not command:
        return Printed()
    if command in NOT_COMMANDS:
        return Printed(err=(f"bash: {command}: command not found",), exit_code=127)
    rule = COMMANDS.get(command)
    given = [found for word in words for found in _matching(home, word)]
    return rule(home, given) if rule and not any("*" in word[:-1] for word in words) else None


def _matching(home: Home, word: str) -> list[str]:
    """What the shell makes of a word that ends in `*`: the names there, or the word itself where there are none."""
    folder, star, rest = word.rpartition("*")
    if not star or rest or (folder and not folder.endswith("/")):
        return [word]
    path = home.path(folder)
    return [f"{folder}{name}" for name in home.entries(path or "")] or [word]
