"""Commands that change files or the working directory: what they print in a known home.

In the words of bash and GNU coreutils, in the forms that explorers and experts
send; None for any other form. What they leave behind is the recorded state's
business, not a rule's.
"""

from collections.abc import Callable

from agentworld_dag.benchmark.shell_home import NOT_A_FOLDER, Home
from agentworld_dag.benchmark.shell_printed import IS_A_FOLDER, Printed, failed, hinted, path_of
from agentworld_dag.benchmark.shell_readers import Rule


def _cd(home: Home, words: list[str]) -> Printed | None:
    if len(words) > 1:
        return failed("bash: cd: too many arguments")
    word = words[0] if words else "~"
    if word.startswith("-"):
        return None
    path = path_of(home, word)
    if problem := home.problem(path) or NOT_A_FOLDER * home.is_file(path):
        return failed(f"bash: cd: {word}: {problem}")
    return Printed(directory=path)


def _mkdir(home: Home, words: list[str]) -> Printed | None:
    def problem(path: str) -> str:
        return "File exists" if home.exists(path) else home.parent_problem(path)

    return _on_one("mkdir", "cannot create directory", "missing operand", home, words, problem)


def _rmdir(home: Home, words: list[str]) -> Printed | None:
    def problem(path: str) -> str:
        wrong = home.problem(path) or NOT_A_FOLDER * home.is_file(path)
        return wrong or "Directory not empty" * bool(home.entries(path))

    return (
        None
        if _stands_in(home, words)
        else _on_one("rmdir", "failed to remove", "missing operand", home, words, problem)
    )


def _touch(home: Home, words: list[str]) -> Printed | None:
    return _on_one("touch", "cannot touch", "missing file operand", home, words, home.parent_problem)


def _rm(home: Home, words: list[str]) -> Printed | None:
    whole_folders = words[:1] == ["-r"]
    operands = words[1:] if whole_folders else words

    def problem(path: str) -> str:
        return home.problem(path) or IS_A_FOLDER * (home.is_folder(path) and not whole_folders)

    return (
        None
        if _stands_in(home, operands)
        else _on_one("rm", "cannot remove", "missing operand", home, operands, problem)
    )


def _on_one(
    command: str, failure: str, missing: str, home: Home, words: list[str], problem: Callable[[str], str]
) -> Printed | None:
    """A silent command on one path that says why it failed."""
    if not words:
        return hinted(command, f"{command}: {missing}")
    if len(words) > 1 or words[0].startswith("-") or words[0].endswith("/"):
        return None
    wrong = problem(path_of(home, words[0]))
    return failed(f"{command}: {failure} '{words[0]}': {wrong}") if wrong else Printed()


def _mv(home: Home, words: list[str]) -> Printed | None:
    return _transfer("mv", home, words)


def _cp(home: Home, words: list[str]) -> Printed | None:
    return _transfer("cp", home, words)


def _transfer(command: str, home: Home, words: list[str]) -> Printed | None:
    if len(words) < 2:
        after = f"missing destination file operand after '{words[0]}'" if words else "missing file operand"
        return hinted(command, f"{command}: {after}")
    if len(words) > 2 or any(word.startswith("-") or word.endswith("/") for word in words):
        return None
    source, target = (path_of(home, word) for word in words)
    if problem := home.problem(source):
        return failed(f"{command}: cannot stat '{words[0]}': {problem}")
    if home.parent_problem(target) == NOT_A_FOLDER:
        return failed(f"{command}: cannot stat '{words[1]}': {NOT_A_FOLDER}")
    if home.is_folder(source):
        return failed(f"cp: -r not specified; omitting directory '{words[0]}'") if command == "cp" else None
    return _file_to(command, home, words, source, target)


def _file_to(command: str, home: Home, words: list[str], source: str, target: str) -> Printed | None:
    shown = words[1]
    if home.is_folder(target):
        name = source.rpartition("/")[2]
        shown, target = f"{words[1]}/{name}", f"{target}/{name}".removeprefix("/")
    if source == target:
        return failed(f"{command}: '{words[0]}' and '{shown}' are the same file")
    if home.is_folder(target):
        return None
    if problem := home.parent_problem(target):
        failure = f"cannot move '{words[0]}' to" if command == "mv" else "cannot create regular file"
        return failed(f"{command}: {failure} '{shown}': {problem}")
    return Printed()


def _stands_in(home: Home, words: list[str]) -> bool:
    """Whether a word names the folder the shell is in, or one above it."""
    paths = [path_of(home, word) for word in words if not word.startswith("-")]
    return any(not path or f"{home.directory}/".startswith(f"{path}/") for path in paths)


CHANGERS: dict[str, Rule] = {
    "cd": _cd, "mkdir": _mkdir, "rmdir": _rmdir, "touch": _touch, "rm": _rm, "mv": _mv, "cp": _cp,
}  # fmt: skip
