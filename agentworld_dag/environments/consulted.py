"""Which facts of a state a shell command refers to.

The world model's reasoning recalls them before it says what changes, so what
it must look up is stated by rule and right by construction. Only the command's
words are read, which of them are paths by the command's own syntax: whether
it succeeds is not decided here.
"""

from agentworld_dag.environments.file_system import CWD
from agentworld_dag.trajectories.patch import parse_state

_LISTING = ("ls", "rm", "rmdir")
"""Commands whose answer depends on what is in the folders they name."""


def consulted(action: str, state: str) -> str:
    """The facts the action names, as state lines in the order named, and `name?` where there is none.

    The entries of a folder that is listed follow it.
    """
    facts = parse_state(state)
    command, *words = action.split() or [""]
    found: dict[str, None] = {}
    for argument in _paths(command, words):
        path = _resolve(facts.get(CWD, "~"), argument.removesuffix("*"))
        found |= dict.fromkeys(_named(facts, path, listed=argument.endswith("*") or command in _LISTING))
    return "\n".join(f"{key}={facts[key]}" if key in facts else f"{key}?" for key in found)


def _paths(command: str, words: list[str]) -> list[str]:
    """The words that name files or folders."""
    if command == "echo":
        words = words[next((i for i, word in enumerate(words) if word.startswith(">")), len(words)) :]
    named = [word for word in words if not word.startswith((">", "-")) and not word.isdigit()]
    if command == "grep":
        named = named[1:]
    return ["."] if command == "ls" and not named else named


def _named(facts: dict[str, str], path: str, listed: bool) -> list[str]:
    folder = f"{path}/" if path else ""
    entries = [key for key in sorted(facts) if _is_entry(key, folder)] if listed and path not in facts else []
    known = [key for key in (path, folder) if key in facts]
    return [*(known or [path] * bool(path)), *entries]


def _is_entry(key: str, folder: str) -> bool:
    name = key.removeprefix(folder)
    return key != CWD and key.startswith(folder) and bool(name) and "/" not in name.removesuffix("/")


def _resolve(directory: str, argument: str) -> str:
    """The path of `argument` relative to home."""
    parts = [] if directory == "~" or argument.startswith("~") else directory.removeprefix("~/").split("/")
    for part in argument.removeprefix("~").split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts = [*parts, part]
    return "/".join(parts)
