"""Turns in the AgentWorldBench row layout (paper section 5, official repository at cd0aa83).

The second versioned template: what a large model, or anyone with the official
script, is shown. One row is one target turn; `prompt` and `response` hold the
whole trajectory and `turn_idx` counts from 1. Differences to the official
files: `id` is our trajectory id (a string), an action that itself holds a code
fence is wrapped in a longer one, so it cannot end its own block, and where the
true state was recorded, `initial_state` and `state` (what the action met) ride
along for models that are shown states. Reading and checking such files, and the
judge, are left out.
"""

import re
from typing import Any

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import SystemPrompt, Trajectory

TEMPLATE_VERSION = "agentworldbench-1"

OBSERVATION_MARKER = "**Environment Observation:**"
"""Opens every response; the official script strips it before judging."""

_FENCE = re.compile(r"`{3,}")
_ACTION = re.compile(r"### Turn \d+\n\*\*Action:\*\*\n(`{3,})\n(.*)\n\1", re.DOTALL)


def row(trajectory: Trajectory, turn_index: int) -> dict[str, Any]:
    """The row whose target is turn `turn_index`, counted from 0. Raises TrajectoryError if it has no answer."""
    total = len(trajectory.turns)
    if not 0 <= turn_index < total:
        raise TrajectoryError(f"trajectory {trajectory.id} has turns 0 to {total - 1}, not {turn_index}")
    prompts, responses = _prompts(trajectory), _responses(trajectory)
    return {
        "task": trajectory.domain,
        "id": trajectory.id,
        "prompt": prompts,
        "response": responses,
        "current_prompt": prompts[turn_index],
        "system_str": system_text(trajectory.system),
        "turn_idx": turn_index + 1,
        "total_turns": total,
        **_states(trajectory, turn_index),
    }


def action_of(prompt: str) -> str:
    """The bare action in an entry of `prompt`; an entry of another make is the action itself."""
    found = _ACTION.fullmatch(prompt)
    return found[2] if found else prompt


def system_text(system: SystemPrompt) -> str:
    """The five parts of the system prompt under headings; an absent part leaves no heading."""
    sections = {
        "Role and Objective": system.task_description,
        "Action Space": system.action_space,
        "Initial State": _fenced(system.initial_state) if system.initial_state else "",
        "Demonstrations": system.demonstrations,
        "Simulation Instruction": system.simulation_instruction,
    }
    return "\n\n".join(f"# {title}\n\n{text}" for title, text in sections.items() if text)


def _states(trajectory: Trajectory, turn_index: int) -> dict[str, str]:
    if not trajectory.system.initial_state:
        return {}
    return {"initial_state": trajectory.system.initial_state, "state": state_before(trajectory, turn_index)}


def _prompts(trajectory: Trajectory) -> list[str]:
    return [
        f"### Turn {number}\n**Action:**\n{_fenced(turn.action)}"
        for number, turn in enumerate(trajectory.turns, start=1)
    ]


def _responses(trajectory: Trajectory) -> list[str]:
    for number, turn in enumerate(trajectory.turns, start=1):
        if turn.observation is None:
            raise TrajectoryError(f"turn {number} of trajectory {trajectory.id} has no observation; clean it first")
    return [f"{OBSERVATION_MARKER}\n{turn.observation}" for turn in trajectory.turns]


def _fenced(text: str) -> str:
    longest = max((len(run) for run in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"
