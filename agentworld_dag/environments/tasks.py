"""Seeded task instances for the terminal, in namespaces that can never share one.

An instance is a function of (namespace, index): kinds go round robin, the rest
is drawn from a hash. Every possible instance belongs to exactly one namespace,
by a hash of its own text; drawing repeats until it falls into the wanted one,
with the kind held fixed, so no kind is favoured. The goal is the full expected
state. How to reach it is not here: see `experts`.
"""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from agentworld_dag.environments.file_system import CWD, decode_content, encode_content
from agentworld_dag.environments.protocol import Task
from agentworld_dag.errors import ConfigError
from agentworld_dag.trajectories.patch import format_state

FOLDERS: tuple[str, ...] = ("docs", "src", "logs", "data")
NAMES: tuple[str, ...] = ("memo", "list", "note", "plan", "todo", "draft", "index", "report", "table", "page")
WORDS: tuple[str, ...] = (
    "red", "blue", "green", "black", "white", "pink", "gold", "gray", "brown", "cyan",
    "cat", "dog", "fox", "owl", "bear", "wolf", "frog", "duck", "lion", "hare", "swan", "crow", "goat", "mole",
)  # fmt: skip

NAMESPACES = {
    "train": range(8), "demonstration": range(8, 12), "validation": range(12, 14), "evaluation": range(14, 16),
}  # fmt: skip
"""Which of 16 equal buckets of all instances belong to a namespace."""
_BUCKETS = 16

Files = dict[str, str]
"""State facts of a home directory, the working directory left out."""


@dataclass(frozen=True)
class Goal:
    """What one kind of task asks for."""

    instruction: str
    files: Files


def make_task(namespace: str, index: int, kind: str | None = None) -> Task:
    """Instance `index` of a namespace; `kind` overrides the round robin. Raises ConfigError on an unknown name."""
    if namespace not in NAMESPACES or kind not in (None, *KINDS):
        raise ConfigError(
            f"no tasks for namespace {namespace!r} and kind {kind!r}; "
            f"namespaces: {', '.join(NAMESPACES)}; kinds: {', '.join(KINDS)}"
        )
    kind = kind or tuple(KINDS)[index % len(KINDS)]
    rng = random.Random(seed_of(namespace, kind, index))
    while True:
        files = draw_files(rng)
        goal = KINDS[kind](files, rng)
        task = Task(f"{namespace}-{index}", kind, goal.instruction, _state(files), _state(goal.files), (CWD,))
        if namespace_of(task) == namespace:
            return task


def namespace_of(task: Task) -> str:
    """The one namespace an instance can occur in, from its text alone."""
    bucket = seed_of("instance", task.initial_state, task.instruction) % _BUCKETS
    return next(name for name, buckets in NAMESPACES.items() if bucket in buckets)


def seed_of(*parts: object) -> int:
    """A 63-bit seed from a hash of its parts, equal on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def draw_files(rng: random.Random) -> Files:
    """A small home: one or two folders, three or four files of one to three words, a word a line and none twice.

    A search for a word finds one file.
    """
    folders = rng.sample(FOLDERS, rng.choice((1, 2)))
    files: Files = {f"{folder}/": "" for folder in folders}
    places = ["", f"{folders[0]}/", rng.choice(["", *(f"{folder}/" for folder in folders)])]
    if rng.random() < 0.5:
        places.append(rng.choice(places))
    words = rng.sample(WORDS, len(WORDS))
    for place, name in zip(places, rng.sample(NAMES, len(places)), strict=True):
        files[place + name] = "/".join(words.pop() for _ in range(rng.choice((1, 1, 2, 3))))
    return files


def initial_state(rng: random.Random) -> str:
    """A random starting state without a task."""
    return _state(draw_files(rng))


def _write(files: Files, rng: random.Random) -> Goal:
    path = _some_path(files, rng)
    word = rng.choice([word for word in WORDS if word != files.get(path)])
    return Goal(f"write {word} to {path}", files | {path: word})


def _append(files: Files, rng: random.Random) -> Goal:
    path, word = _some_file(files, rng), rng.choice(WORDS)
    return Goal(f"append {word} to {path}", files | {path: f"{files[path]}/{word}"})


def _copy(files: Files, rng: random.Random) -> Goal:
    source, target = _some_file(files, rng), _new_path(files, rng)
    return Goal(f"copy {source} to {target}", files | {target: files[source]})


def _rename(files: Files, rng: random.Random) -> Goal:
    source = _some_file(files, rng)
    target = source.removesuffix(_base(source)) + _new_name(files, rng)
    return Goal(f"rename {source} to {target}", _without(files, source) | {target: files[source]})


def _delete(files: Files, rng: random.Random) -> Goal:
    path = _some_file(files, rng)
    return Goal(f"delete {path}", _without(files, path))


def _move(files: Files, rng: random.Random) -> Goal:
    folder = _some_folder(files, rng)
    source = rng.choice([path for path in _paths(files) if not path.startswith(folder)])
    return Goal(f"move {source} into {folder[:-1]}", _without(files, source) | {folder + _base(source): files[source]})


def _shelve(files: Files, rng: random.Random) -> Goal:
    source, folder = _some_file(files, rng), _new_folder(files, rng)
    moved = _without(files, source) | {folder: "", folder + _base(source): files[source]}
    return Goal(f"make folder {folder[:-1]} and move {source} into it", moved)


def _start(files: Files, rng: random.Random) -> Goal:
    folder, name, word = _new_folder(files, rng), rng.choice(NAMES), rng.choice(WORDS)
    return Goal(
        f"make folder {folder[:-1]} and write {word} to {name} in it", files | {folder: "", folder + name: word}
    )


def _purge(files: Files, rng: random.Random) -> Goal:
    path = rng.choice([path for path in _paths(files) if "/" in path])
    word = rng.choice(files[path].replace("/", " ").split())
    folder = path.removesuffix("/" + _base(path))
    return Goal(f"delete the file in {folder} that has {word}", _without(files, path))


def _count(files: Files, rng: random.Random) -> Goal:
    source, target = _some_file(files, rng), _new_path(files, rng)
    lines = decode_content(files[source]).count(b"\n")
    return Goal(f"write the line count of {source} to {target}", files | {target: str(lines)})


def _first(files: Files, rng: random.Random) -> Goal:
    source, target = _some_file(files, rng), _new_path(files, rng)
    return Goal(f"copy the first line of {source} to {target}", files | {target: files[source].partition("/")[0]})


def _sort(files: Files, rng: random.Random) -> Goal:
    source, target = _some_file(files, rng), _new_path(files, rng)
    lines = sorted(decode_content(files[source]).splitlines(keepends=True))
    return Goal(f"sort {source} into {target}", files | {target: encode_content(b"".join(lines))})


KINDS: dict[str, Callable[[Files, random.Random], Goal]] = {
    "write": _write, "append": _append, "copy": _copy, "rename": _rename, "delete": _delete, "move": _move,
    "shelve": _shelve, "start": _start, "purge": _purge, "count": _count, "first": _first, "sort": _sort,
}  # fmt: skip


def _state(files: Files) -> str:
    return format_state(files | {CWD: "~"})


def _paths(files: Files) -> list[str]:
    return [path for path in files if not path.endswith("/")]


def _some_file(files: Files, rng: random.Random) -> str:
    return rng.choice(_paths(files))


def _some_folder(files: Files, rng: random.Random) -> str:
    return rng.choice([path for path in files if path.endswith("/")])


def _some_path(files: Files, rng: random.Random) -> str:
    return rng.choice((_some_file, _new_path))(files, rng)


def _new_path(files: Files, rng: random.Random) -> str:
    return rng.choice(("", _some_folder(files, rng))) + _new_name(files, rng)


def _new_name(files: Files, rng: random.Random) -> str:
    used = {_base(path) for path in _paths(files)}
    return rng.choice([name for name in NAMES if name not in used])


def _new_folder(files: Files, rng: random.Random) -> str:
    return rng.choice([folder for folder in FOLDERS if f"{folder}/" not in files]) + "/"


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _without(files: Files, path: str) -> Files:
    return {key: value for key, value in files.items() if key != path}
