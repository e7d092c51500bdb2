"""A home directory as a recorded state tells it: what a shell finds when it looks up a path.

Only what the state text holds word for word: a state with escapes or marks
(`%` in `environments.file_system`), a shell outside home or in a folder that
is gone, and a path that leaves home or climbs inside are not understood, and
None says so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agentworld_dag.environments.file_system import CWD
from agentworld_dag.environments.sandbox import HOME
from agentworld_dag.trajectories.patch import parse_state

ABSENT = "No such file or directory"
NOT_A_FOLDER = "Not a directory"
_CLIMBS_INSIDE = re.compile(r"[^./]/(.*/)?\.\.")


@dataclass(frozen=True)
class Home:
    """Files and folders by their path relative to home, and where the shell stands."""

    facts: Mapping[str, str]
    """Folders end in a slash, as in the state text."""
    directory: str
    """Relative to home; empty at home."""

    def path(self, word: str) -> str | None:
        """The path a word names, relative to home, without a slash at its end; None where it leaves home."""
        word = f"~{word.removeprefix(HOME)}" if word == HOME or word.startswith(f"{HOME}/") else word
        if word.startswith("/") or _CLIMBS_INSIDE.search(word) or re.match(r"~[^/]", word):
            return None
        parts = [] if word.startswith("~") else [part for part in self.directory.split("/") if part]
        for part in word.removeprefix("~").split("/"):
            if part == ".." and not parts:
                return None
            parts = parts[:-1] if part == ".." else [*parts, part] if part not in ("", ".") else parts
        return "/".join(parts)

    def is_folder(self, path: str) -> bool:
        return not path or f"{path}/" in self.facts

    def is_file(self, path: str) -> bool:
        return path in self.facts

    def exists(self, path: str) -> bool:
        return self.is_file(path) or self.is_folder(path)

    def problem(self, path: str) -> str:
        """Why nothing can be found at `path`, in the words of the system; empty where something is there."""
        return "" if self.exists(path) else self.parent_problem(path) or ABSENT

    def parent_problem(self, path: str) -> str:
        """Why nothing can be made at `path`."""
        parent = path.rpartition("/")[0]
        if self.is_folder(parent):
            return ""
        return NOT_A_FOLDER if self.is_file(parent) else self.parent_problem(parent) or ABSENT

    def lines(self, path: str) -> list[str]:
        """The lines of a file."""
        return self.facts[path].split("/") if self.facts[path] else []

    def entries(self, path: str) -> list[str]:
        """The names in a folder, sorted as a shell in the C locale sorts them."""
        folder = f"{path}/" if path else ""
        inside = (key.removeprefix(folder).removesuffix("/") for key in self.facts if key.startswith(folder))
        return sorted(name for name in inside if name and "/" not in name)

    def with_file(self, path: str, content: str) -> "Home":
        return Home({**self.facts, path: content}, self.directory)


def read_home(state: str) -> Home | None:
    """None where the state holds something that is not told word for word."""
    facts = parse_state(state)
    cwd = facts.pop(CWD, "~")
    home = Home(facts, cwd.removeprefix("~").removeprefix("/"))
    hidden = any(name.startswith(".") for key in facts for name in key.split("/"))
    understood = cwd.startswith("~") and "%" not in state and not hidden and home.is_folder(home.directory)
    return home if understood else None
