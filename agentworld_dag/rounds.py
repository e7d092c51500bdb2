"""Rounds: turns of the loop, named `round-0001`, `round-0002` and so on, and what a preset says about later ones.

The first round trains from the preset's own start on all that it collects. A
later round goes on from the champion's weights with fresh sessions and some of
the earlier ones, and needs less of everything: its settings are the preset's
with `later_rounds.changes` merged in.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from agentworld_dag.errors import ConfigError
from agentworld_dag.settings import Section

FIRST_ROUND = "round-0001"
EPISODES_PER_ROUND = 1_000_000
"""Of the numbers that name episodes, so that no two rounds record the same one."""

_NAME = re.compile(r"round-(\d{4,6})")


class LaterRounds(Section):
    replay_share: Annotated[float, Field(ge=0.0, lt=1.0)]
    """Share of a later round's training trajectories that comes from the rounds before it."""
    changes: dict[str, Any]
    """Fields of the preset, section by section, that later rounds have instead."""


def number_of(round_name: str) -> int:
    """1 for `round-0001`. Raises ConfigError on anything that is no round's name."""
    found = _NAME.fullmatch(round_name)
    number = int(found.group(1)) if found else 0
    if number < 1 or round_name != name_of(number):
        raise ConfigError(f"round {round_name!r}: expected a name like {FIRST_ROUND}, counted from 1")
    return number


def name_of(number: int) -> str:
    return f"round-{number:04d}"


def is_later(round_name: str) -> bool:
    return number_of(round_name) > 1


def merged(preset: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The preset with `changes` in place of its own fields; sections are merged, everything else is replaced."""
    inner = {
        name: merged(preset[name], value)
        if isinstance(value, Mapping) and isinstance(preset.get(name), Mapping)
        else value
        for name, value in changes.items()
    }
    return {**preset, **inner}
