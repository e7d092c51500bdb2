"""What a command printed, and the words shells print in."""

from dataclasses import dataclass

from agentworld_dag.benchmark.shell_home import Home

IS_A_FOLDER = "Is a directory"


@dataclass(frozen=True)
class Printed:
    """What a command wrote where, and how it ended."""

    out: tuple[str, ...] = ()
    err: tuple[str, ...] = ()
    exit_code: int = 0
    directory: str | None = None
    """Where it left the shell, relative to home; None: where it was."""


def failed(*lines: str, exit_code: int = 1) -> Printed:
    return Printed(err=lines, exit_code=exit_code)


def hinted(command: str, problem: str, exit_code: int = 1) -> Printed:
    return failed(problem, f"Try '{command} --help' for more information.", exit_code=exit_code)


def path_of(home: Home, word: str) -> str:
    """Words that leave home never get here."""
    return home.path(word) or ""
