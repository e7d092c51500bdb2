"""A seeded random actor for the terminal: what curiosity without a goal types.

Commands are drawn over the command set of the tasks and a little around it,
arguments mostly from what exists in the true state, sometimes from what does
not, and a few are malformed, for error answers are part of a shell too. Left
out: commands that print times, pids or sizes on disk, pipes (their parts may
report errors in either order), folders in folders, and paths that climb.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from agentworld_dag.environments.file_system import CWD
from agentworld_dag.environments.tasks import FOLDERS, NAMES, WORDS
from agentworld_dag.trajectories.patch import parse_state

EXISTING_SHARE = 0.8
MALFORMED_SHARE = 0.03


@dataclass(frozen=True)
class View:
    """The true state as names to draw from, relative to the working directory."""

    here: str
    """Working directory relative to home: empty, or ending in a slash."""
    files: dict[str, str]
    """Path to content, as a state value."""
    folders: tuple[str, ...]
    rng: random.Random

    def file(self) -> str:
        """A file that probably exists, rather here than elsewhere."""
        return self._draw(tuple(self.files), NAMES)

    def folder(self) -> str:
        return self._draw(self.folders, FOLDERS)

    def anything(self) -> str:
        return self._draw((*self.files, *self.folders), NAMES + FOLDERS)

    def target(self) -> str:
        """Where to write: a name that may or may not exist, here or in a folder."""
        name = self.rng.choice(NAMES)
        return f"{self.folder()}/{name}" if self.rng.random() < 0.3 else name

    def word(self) -> str:
        return self.rng.choice(WORDS)

    def word_in(self, path: str) -> str:
        """A word to search for, mostly one that is there to be found."""
        return self._draw(tuple(self.files.get(path, "").replace("/", " ").split()), WORDS)

    def _draw(self, existing: tuple[str, ...], vocabulary: tuple[str, ...]) -> str:
        wanted = existing and self.rng.random() < EXISTING_SHARE
        return self.rng.choice(existing if wanted else vocabulary)


class Explorer:
    """The random actor on one episode."""

    policy = "explorer"

    def __init__(self, rng: random.Random):
        self._rng = rng

    def act(self, state: str) -> str:
        return random_command(state, self._rng)

    def observe(self, action: str, observation: str) -> None:
        """Nothing it does depends on what it sees."""


def random_command(state: str, rng: random.Random) -> str:
    """One command for a shell in `state`; a function of its arguments."""
    view = _view(state, rng)
    if rng.random() < MALFORMED_SHARE:
        return rng.choice(_MALFORMED)(view)
    return rng.choices(_MAKERS, _WEIGHTS)[0](view)


def _view(state: str, rng: random.Random) -> View:
    facts = parse_state(state)
    cwd = facts.pop(CWD, "~")
    here = cwd[2:] + "/" if cwd.startswith("~/") else ""
    folders = tuple(path for key in facts if key.endswith("/") and (path := _relative(key[:-1], here)))
    files = {path: facts[key] for key in facts if not key.endswith("/") and (path := _relative(key, here))}
    return View(here, files, folders, rng)


def _relative(path: str, here: str) -> str:
    """`path` as it would be typed in `here`; empty where nobody would type it."""
    if path.startswith(here):
        return path[len(here) :]
    return ""


def _mkdir(view: View) -> str:
    return "ls" if view.here else f"mkdir {view.rng.choice(FOLDERS)}"


def _cd(view: View) -> str:
    if view.here:
        return view.rng.choice(("cd", "cd", "cd ..", "cd ..", "cd ~", f"cd {view.folder()}"))
    return f"cd {view.folder()}" if view.rng.random() < 0.9 else view.rng.choice(("cd", "cd ~", f"cd {view.file()}"))


def _grep(view: View) -> str:
    path = view.file()
    word, folder = view.word_in(path), path.rpartition("/")[0]
    return f"grep -l {word} {folder}/*" if folder else f"grep {word} {path}"


# Weights are the author's choice: what changes files often enough to learn it, what looks often enough to see it.
_COMMANDS: dict[Callable[[View], str], float] = {
    lambda v: "ls": 7,
    lambda v: f"ls {v.folder()}": 8,
    lambda v: f"cat {v.file()}": 12,
    _cd: 5,
    lambda v: "pwd": 1,
    _mkdir: 5,
    lambda v: f"rmdir {v.folder()}": 2,
    lambda v: f"touch {v.target()}": 2,
    lambda v: f"rm {v.file()}": 5,
    lambda v: f"rm -r {v.folder()}": 0.7,
    lambda v: f"mv {v.file()} {v.target()}": 4,
    lambda v: f"mv {v.file()} {v.folder()}": 5,
    lambda v: f"cp {v.file()} {v.target()}": 5,
    lambda v: f"cp {v.file()} {v.folder()}": 2,
    lambda v: f"echo {v.word()}": 1,
    lambda v: f"echo {v.word()} > {v.target()}": 5,
    lambda v: f"echo {v.word()} > {v.file()}": 3,
    lambda v: f"echo {v.word()} >> {v.file()}": 5,
    lambda v: f"wc -l {v.file()}": 5,
    lambda v: f"wc -l {v.file()} > {v.target()}": 0.5,
    lambda v: f"head -n 1 {v.file()}": 3,
    lambda v: f"head -n 1 {v.file()} > {v.target()}": 2,
    lambda v: f"tail -n 1 {v.file()}": 3,
    lambda v: f"tail -n 1 {v.file()} > {v.target()}": 1,
    _grep: 9,
    lambda v: f"sort {v.file()}": 3,
    lambda v: f"sort {v.file()} > {v.target()}": 3,
    lambda v: f"test -f {v.anything()}": 1.5,
    lambda v: f"test -d {v.anything()}": 1.5,
}
_MAKERS, _WEIGHTS = tuple(_COMMANDS), tuple(_COMMANDS.values())

_MALFORMED: tuple[Callable[[View], str], ...] = (
    lambda v: "",
    lambda v: v.word(),
    lambda v: f"{v.rng.choice(('lss', 'catt', 'remove', 'open', 'show'))} {v.file()}",
    lambda v: v.rng.choice(("cp", "mv", "rm", "mkdir", "rmdir", "touch", "grep", "head -n", "wc -q", "ls -y")),
    lambda v: f"{v.rng.choice(('cp', 'mv', 'grep'))} {v.file()}",
    lambda v: f"echo {v.word()} >",
    lambda v: f"cat {v.file()} )",
    lambda v: f"cd {v.file()} {v.folder()}",
)
