"""What kind of action a turn is, for scores by kind.

Read from the text alone, the same way in every domain. An action that is a JSON
object, or holds one in a tag, is of the kind its first field among `NAMES`
gives, such as the name of a tool; keystrokes in JSON and plain text are of the
kind of their first word: the command without its folder, without variables set
before it and without `sudo`. Pipes, lists of commands and arguments are left
out: the kind of `cat a | sort` is `cat`.
"""

import json
import re
from typing import Any

NAMES = ("name", "tool_name", "tool", "function", "action", "action_type", "type")
TYPED = ("keystrokes", "command", "cmd")
"""Fields whose text is typed into a shell."""
NONE = "(none)"
_MARKUP = re.compile(r"^(?:### .*|\*\*[^*\n]+:\*\*|`{3,}\w*)$", re.MULTILINE)
_TAG = re.compile(r"^<\w+>\s*(?=[{\[])")
_BEFORE = re.compile(r"^(?:\w+=\S*\s+|sudo\s+)+")
_WORD = re.compile(r"[\w./:+-]+")
_LONGEST = 24


def action_type(action: str) -> str:
    """A word of at most 24 characters; `(none)` where there is no word."""
    text = _TAG.sub("", _MARKUP.sub("", action).strip())
    found = _called(text) if text[:1] in ("{", "[") else None
    return found or _first_word(text)


def _called(text: str) -> str | None:
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    while isinstance(value, list) and value:
        value = value[0]
    return _named(value) if isinstance(value, dict) else None


def _named(fields: dict[str, Any]) -> str | None:
    for name in NAMES:
        value = fields.get(name)
        if isinstance(value, dict):
            return _named(value)
        if isinstance(value, str) and (word := _WORD.search(value)):
            return word[0][:_LONGEST]
    typed = next((fields[name] for name in TYPED if isinstance(fields.get(name), str)), None)
    return None if typed is None else _first_word(typed)


def _first_word(text: str) -> str:
    found = _WORD.search(_BEFORE.sub("", text.strip()))
    return (found[0].rstrip("/").rpartition("/")[2] or NONE)[:_LONGEST] if found else NONE
