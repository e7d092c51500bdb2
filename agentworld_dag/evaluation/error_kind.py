"""What kind of error a terminal's observation reports, told from its text.

The message decides, and where there is none the exit code in the prompt. The
first pattern that is found wins, so the particular stands before the general.
"""

import re

NONE, UNUSABLE = "none", "unusable"
"""No error; and no observation at all."""

_KINDS = {
    "syntax": "syntax error|unexpected EOF",
    "command_not_found": "command not found",
    "usage": "missing .*operand|invalid option|option requires|invalid number|too many arguments|--help|Usage:|usage:",
    "not_empty": "Directory not empty",
    "exists": "File exists",
    "same_file": "are the same file",
    "is_a_directory": "Is a directory|is a directory|omitting directory|-r not specified",
    "not_a_directory": "Not a directory",
    "no_such_file": "No such file or directory",
    "permission": "Permission denied",
}
_FAILED_PROMPT = re.compile(r"\[(\d+)\]\$\s*\Z")


def exit_code(observation: str) -> int:
    """The exit code that the closing prompt shows; 0 where it shows none."""
    prompt = _FAILED_PROMPT.search(observation)
    return int(prompt[1]) if prompt else 0


def error_kind(observation: str | None) -> str:
    """`none` after exit code 0, else the kind of the message, `exit_1_silent` and the like without one."""
    if observation is None:
        return UNUSABLE
    code = exit_code(observation)
    if code == 0:
        return NONE
    message = observation.rstrip().rpartition("\n")[0]
    if not message:
        return f"exit_{code}_silent"
    return next((kind for kind, pattern in _KINDS.items() if re.search(pattern, message)), "other")
