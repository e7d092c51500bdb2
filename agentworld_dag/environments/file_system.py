"""The terminal's state text: working directory and files under home, read from outside the shell.

    cwd=~/docs          the working directory; absolute when outside home
    docs/=              a directory
    docs/list=red/blue  a file of two lines; a trailing newline is implied
    docs/memo=          an empty file
    note=red%-          no newline at the end

Bytes that are not printable ASCII are %XX, and so are `%`, in a content `/`,
in a name `=` and a leading `-`. What text cannot hold is marked: `%@target` a
symbolic link, `%!fifo` and the like anything else, `%!unreadable` a file whose
mode denies its owner, `...%+` a file cut at MAX_FILE_BYTES, `%!deep` a
directory below MAX_DEPTH. Links are never followed: a path inside the sandbox
means something else out here. Times, owners and modes are left out.
"""

import os
import re
import stat
import string

from agentworld_dag.errors import SandboxError, TrajectoryError
from agentworld_dag.trajectories.patch import format_state, parse_state

MAX_DEPTH = 8
MAX_ENTRIES = 512
MAX_FILE_BYTES = 4096

CWD = "cwd"
_UNSAFE_IN_NAME = re.compile(rb"[^\x20-\x7e]|[%=]|^-|^c(?=wd$)")
_UNSAFE_IN_CONTENT = re.compile(rb"[^\x20-\x7e]|[%/]")
_ESCAPE = re.compile(r"%([0-9A-F]{2})")
_PLAIN = frozenset(string.ascii_letters + string.digits + " ./_")
_UNREADABLE = "%!unreadable"
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_state(home_fd: int, process_fd: int, home: str) -> str:
    """State text of a live shell. Raises SandboxError when it is gone or its home has over MAX_ENTRIES entries.

    `home_fd` is its home directory, `process_fd` its /proc entry, `home` the home's path as the shell sees it.
    """
    facts = {CWD: read_cwd(process_fd, home)}
    try:
        _read_directory(home_fd, "", 1, facts)
    except OSError as error:
        raise SandboxError(f"the home directory cannot be read: {error}; start a new episode") from error
    return format_state(facts)


def read_cwd(process_fd: int, home: str) -> str:
    """The shell's true working directory with home as `~`, encoded as a name."""
    try:
        path = os.readlink(b"cwd", dir_fd=process_fd)
        if path.endswith(b" (deleted)") and os.stat(b"cwd", dir_fd=process_fd).st_nlink == 0:
            path = path.removesuffix(b" (deleted)")
    except OSError as error:
        raise SandboxError(f"the shell is gone: {error}; start a new episode") from error
    inside = path == home.encode() or path.startswith(home.encode() + b"/")
    return _encode(b"~" + path[len(home) :] if inside else path, _UNSAFE_IN_NAME)


def setup_command(state: str) -> str:
    """The bash command that makes an empty home directory into `state`.

    Raises TrajectoryError on a state no command can make (marks for what text cannot hold).
    """
    facts = parse_state(state)
    cwd = facts.pop(CWD, "~")
    folders = [_quote(_decode(key)) for key in sorted(facts) if key.endswith("/")]
    commands = [f"mkdir -p -- {' '.join(folders)}"] if folders else []
    for key in sorted(key for key in facts if not key.endswith("/")):
        commands.append(f"printf {_octal(_content(key, facts[key]))} > {_quote(b'./' + _decode(key))}")
    if cwd != "~":
        commands.append(f"cd -- {'~/' if cwd.startswith('~/') else ''}{_quote(_decode(cwd.removeprefix('~/')))}")
    return " && ".join(commands) or "true"


def encode_content(content: bytes) -> str:
    """A file's content as a state value."""
    ends = content.endswith(b"\n") and content != b"\n"
    body = content.removesuffix(b"\n") if ends else content
    lines = "/".join(_encode(line, _UNSAFE_IN_CONTENT) for line in body.split(b"\n"))
    return lines if ends or not content else lines + "%-"


def decode_content(value: str) -> bytes:
    """The inverse of `encode_content`."""
    if not value:
        return b""
    body = _decode(value.removesuffix("%-").replace("/", "\n"))
    return body if value.endswith("%-") else body + b"\n"


def _read_directory(directory_fd: int, prefix: str, depth: int, facts: dict[str, str]) -> None:
    with os.scandir(directory_fd) as entries:
        for entry in entries:
            key = prefix + _encode(os.fsencode(entry.name), _UNSAFE_IN_NAME)
            if len(facts) > MAX_ENTRIES:
                raise SandboxError(f"home holds over {MAX_ENTRIES} files and folders; the episode ends here")
            if entry.is_dir(follow_symlinks=False):
                facts[key + "/"] = "%!deep" if depth == MAX_DEPTH else ""
                if depth < MAX_DEPTH:
                    _read_child_directory(directory_fd, entry.name, key + "/", depth, facts)
            elif entry.is_file(follow_symlinks=False):
                facts[key] = _read_file(directory_fd, entry.name)
            else:
                facts[key] = _describe(entry, directory_fd)


def _read_child_directory(parent_fd: int, name: str, prefix: str, depth: int, facts: dict[str, str]) -> None:
    try:
        child = os.open(name, _OPEN_FLAGS | os.O_DIRECTORY, dir_fd=parent_fd)
    except PermissionError:
        facts[prefix] = _UNREADABLE
        return
    try:
        if _is_readable(child):
            _read_directory(child, prefix, depth + 1, facts)
        else:
            facts[prefix] = _UNREADABLE
    finally:
        os.close(child)


def _read_file(directory_fd: int, name: str) -> str:
    try:
        file = os.open(name, _OPEN_FLAGS, dir_fd=directory_fd)
    except PermissionError:
        return _UNREADABLE
    try:
        if not _is_readable(file):
            return _UNREADABLE
        content = os.read(file, MAX_FILE_BYTES + 1)
    finally:
        os.close(file)
    if len(content) > MAX_FILE_BYTES:
        return encode_content(content[:MAX_FILE_BYTES]).removesuffix("%-") + "%+"
    return encode_content(content)


def _is_readable(descriptor: int) -> bool:
    """By the mode and not by trying: root can read everything, and must record what anyone would."""
    return bool(os.fstat(descriptor).st_mode & stat.S_IRUSR)


def _describe(entry: "os.DirEntry[str]", directory_fd: int) -> str:
    if entry.is_symlink():
        target = os.fsencode(os.readlink(entry.name, dir_fd=directory_fd))
        return "%@" + _encode(target, _UNSAFE_IN_NAME)
    kinds = {stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
    return "%!" + kinds.get(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode), "special")


def _content(key: str, value: str) -> bytes:
    if re.search(r"%(?![0-9A-F]{2}|-$)", value):
        raise TrajectoryError(
            f"state line {key}={value!r} marks what a file cannot be made from; start from plain files"
        )
    return decode_content(value)


def _encode(raw: bytes, unsafe: re.Pattern[bytes]) -> str:
    return unsafe.sub(lambda match: b"".join(b"%%%02X" % byte for byte in match[0]), raw).decode("ascii")


def _decode(text: str) -> bytes:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1")


def _quote(raw: bytes) -> str:
    """A bash word for any bytes; the plain ones stay readable."""
    return "$'" + "".join(chr(b) if chr(b) in _PLAIN else f"\\x{b:02x}" for b in raw) + "'"


def _octal(raw: bytes) -> str:
    """A printf format that prints any bytes, NUL among them."""
    return "'" + "".join(chr(b) if chr(b) in _PLAIN else f"\\{b:03o}" for b in raw) + "'"
