"""States as keyed lines, and the patches between them.

A state is text with one `key=value` line per fact, sorted by key; a patch
holds `key=value` for a fact that is new or changed and `-key` for one that is
gone. The terminal writes its working directory and files this way, another
domain may write its own facts: nothing here knows what a key means. Values
hold no newline (the environment encodes it).
"""

from agentworld_dag.errors import TrajectoryError


def parse_state(text: str) -> dict[str, str]:
    """Facts of a state text. Raises TrajectoryError on a line without `=`."""
    facts: dict[str, str] = {}
    for line in text.split("\n") if text else []:
        key, separator, value = line.partition("=")
        if not separator or not key:
            raise TrajectoryError(
                f"state line {line!r} is not `key=value`; the recorded state is damaged, record it again"
            )
        facts[key] = value
    return facts


def format_state(facts: dict[str, str]) -> str:
    """The one text of a set of facts: sorted, so equal states are equal strings."""
    return "\n".join(f"{key}={facts[key]}" for key in sorted(facts))


def diff(before: str, after: str) -> str:
    """The patch that turns `before` into `after`; empty when nothing changed."""
    old, new = parse_state(before), parse_state(after)
    gone = [f"-{key}" for key in sorted(old.keys() - new.keys())]
    changed = [f"{key}={new[key]}" for key in sorted(new) if old.get(key) != new[key]]
    return "\n".join(gone + changed)


def apply(state: str, patch: str) -> str:
    """`state` after `patch`. Raises TrajectoryError where a line is neither form or deletes an unknown key."""
    facts = parse_state(state)
    for line in patch.split("\n") if patch else []:
        key, separator, value = line.partition("=")
        if separator and key and not key.startswith("-"):
            facts[key] = value
        elif line.startswith("-") and line[1:] in facts:
            del facts[line[1:]]
        else:
            raise TrajectoryError(f"patch line {line!r} is neither `key=value` nor `-key` of a known key")
    return format_state(facts)
