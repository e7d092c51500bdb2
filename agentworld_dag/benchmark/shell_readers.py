"""Commands that only look, in the words of GNU coreutils and grep: what they print in a known home.

Rules of the forms that explorers and experts send; None for any other form.
"""

from collections.abc import Callable

from agentworld_dag.benchmark.shell_home import Home
from agentworld_dag.benchmark.shell_printed import IS_A_FOLDER, Printed, failed, hinted, path_of
from agentworld_dag.environments.sandbox import HOME

Rule = Callable[[Home, list[str]], Printed | None]


def _read(home: Home, word: str, absent: str, folder: str, shown: Callable[[list[str]], list[str]]) -> Printed:
    """A command that reads one file; `{why}` stands for the problem in its messages."""
    path = path_of(home, word)
    if problem := home.problem(path):
        return failed(absent.format(why=problem))
    return failed(folder.format(why=IS_A_FOLDER)) if home.is_folder(path) else Printed(tuple(shown(home.lines(path))))


def _cat(home: Home, words: list[str]) -> Printed | None:
    if len(words) != 1 or words[0].startswith("-"):
        return None
    message = f"cat: {words[0]}: {{why}}"
    return _read(home, words[0], message, message, lambda lines: lines)


def _head(home: Home, words: list[str]) -> Printed | None:
    return _one_line("head", home, words, slice(1))


def _tail(home: Home, words: list[str]) -> Printed | None:
    return _one_line("tail", home, words, slice(-1, None))


def _one_line(command: str, home: Home, words: list[str], which: slice) -> Printed | None:
    if words == ["-n"]:
        return hinted(command, f"{command}: option requires an argument -- 'n'")
    if len(words) != 3 or words[:2] != ["-n", "1"]:
        return None
    absent, folder = (
        f"{command}: {what}: {{why}}"
        for what in (f"cannot open '{words[2]}' for reading", f"error reading '{words[2]}'")
    )
    return _read(home, words[2], absent, folder, lambda lines: lines[which])


def _sort(home: Home, words: list[str]) -> Printed | None:
    if len(words) != 1 or words[0].startswith("-"):
        return None
    absent, folder = f"sort: cannot read: {words[0]}: {{why}}", f"sort: read failed: {words[0]}: {{why}}"
    found = _read(home, words[0], absent, folder, sorted)
    return Printed(found.out, found.err, 2) if found.exit_code else found


def _wc(home: Home, words: list[str]) -> Printed | None:
    if words == ["-q"]:
        return hinted("wc", "wc: invalid option -- 'q'")
    if len(words) != 2 or words[0] != "-l":
        return None
    message = f"wc: {words[1]}: {{why}}"
    found = _read(home, words[1], message, message, lambda lines: [f"{len(lines)} {words[1]}"])
    return Printed((f"0 {words[1]}",), found.err, 1) if home.is_folder(path_of(home, words[1])) else found


def _grep(home: Home, words: list[str]) -> Printed | None:
    if not words:
        usage = "Usage: grep [OPTION]... PATTERNS [FILE]..."
        return hinted("grep", usage, exit_code=2)
    names_only = words[0] == "-l"
    pattern, *files = words[1:] if names_only else words
    if not files or not pattern.isalnum() or any(word.startswith("-") for word in files):
        return None
    if not names_only and len(files) > 1:
        return None
    return _found(home, pattern, files, names_only)


def _found(home: Home, pattern: str, files: list[str], names_only: bool) -> Printed | None:
    out: list[str] = []
    err: list[str] = []
    for word in files:
        path = path_of(home, word)
        if problem := home.problem(path) or IS_A_FOLDER * home.is_folder(path):
            err.append(f"grep: {word}: {problem}")
        elif matching := [line for line in home.lines(path) if pattern in line]:
            out += [word] if names_only else matching
    if out and err:  # in which order both reach the screen is up to buffering
        return None
    return Printed(tuple(out), tuple(err), 2 if err else 0 if out else 1)


def _ls(home: Home, words: list[str]) -> Printed | None:
    if words == ["-y"]:
        return hinted("ls", "ls: invalid option -- 'y'", exit_code=2)
    if len(words) > 1 or any(word.startswith("-") for word in words):
        return None
    word = words[0] if words else "."
    path = path_of(home, word)
    if problem := home.problem(path):
        return failed(f"ls: cannot access '{word}': {problem}", exit_code=2)
    return Printed((word,) if home.is_file(path) else tuple(home.entries(path)))


def _pwd(home: Home, words: list[str]) -> Printed | None:
    return Printed((f"{HOME}/{home.directory}".removesuffix("/"),)) if not words else None


def _echo(home: Home, words: list[str]) -> Printed | None:
    return None if words[:1] and words[0].startswith("-") else Printed((" ".join(words),))


def _test(home: Home, words: list[str]) -> Printed | None:
    kinds = {"-f": home.is_file, "-d": home.is_folder, "-e": home.exists}
    if len(words) != 2 or words[0] not in kinds:
        return None
    return Printed(exit_code=0 if kinds[words[0]](path_of(home, words[1])) else 1)


READERS: dict[str, Rule] = {
    "cat": _cat, "head": _head, "tail": _tail, "sort": _sort, "wc": _wc, "grep": _grep, "ls": _ls, "pwd": _pwd,
    "echo": _echo, "test": _test,
}  # fmt: skip
