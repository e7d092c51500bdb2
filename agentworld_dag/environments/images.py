"""Shell images: the same real shell whose tools answer differently, to try what happens when the environment changes.

An image is a name and, for some commands, one more option. It works through
bash functions that the session defines once the initial state is there. A
function adds its option in the session's main shell only, and only where
stdout is what the agent sees: what goes into a file or a pipe is plain's, and
so is the true state. Exit codes and error messages are plain's too, but that a
talkative `rmdir` announces what then fails. Left out: programs that other
programs start (`find -exec`, `xargs`), and hiding the functions from what asks
bash about itself (`type`, `set`).
"""

from pathlib import Path

from agentworld_dag.artifacts import write_text
from agentworld_dag.errors import ConfigError, StoreError

PLAIN = "plain"

IMAGES: dict[str, dict[str, str]] = {
    PLAIN: {},
    "talkative": dict.fromkeys(("mkdir", "rmdir", "rm", "cp", "mv"), "-v"),
    "marked": {"ls": "--file-type"},  # -F would also stop following links named on the command line
    "complete": {"ls": "-a"},
    "numbered": {"cat": "-n", "grep": "-n"},
    "annotated": {"ls": "--file-type", "cat": "-n", "grep": "-n"},
}
"""Image name to the option that each command is called with.

No `head` or `tail`: next to another option they refuse `-1`.
"""

# stdout and stderr are the same pipe unless the command line says otherwise.
_FUNCTION = """{command}() {{
  if ((BASH_SUBSHELL == 0)) && [[ -p /dev/fd/1 && /dev/fd/1 -ef /dev/fd/2 ]]; then
    command {command} {option} "$@"
  else
    command {command} "$@"
  fi
}}"""


def prelude(name: str) -> str:
    """The bash command that makes a session the image's. Raises ConfigError on an unknown name."""
    options = IMAGES[_known(name)]
    functions = [_FUNCTION.format(command=command, option=option) for command, option in options.items()]
    return " && ".join(functions) or "true"


def installed(place: Path) -> str:
    """The image named in the file `place`; `plain` where there is none. Raises ConfigError when it names no image."""
    try:
        return _known(place.read_text(errors="replace").removesuffix("\n"))
    except FileNotFoundError:
        return PLAIN
    except (OSError, ConfigError) as error:
        raise ConfigError(f"{place} names no image: {error}; install one with `agentworld image NAME`") from error


def install(name: str, place: Path) -> None:
    """Write the file. Raises ConfigError on an unknown name, StoreError when it cannot be written."""
    _known(name)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, f"{name}\n")
    except OSError as error:
        raise StoreError(f"cannot write {place}: {error.strerror}; set AGENTWORLD_HOME to a writable folder") from error


def _known(name: str) -> str:
    if name not in IMAGES:
        raise ConfigError(f"unknown shell image {name[:80]!r}, expected one of {', '.join(IMAGES)}")
    return name
