"""From the schema to the world model's chat messages.

One rule covers both ways to run a simulator. A sample shows a state and then
some turns; the target is the next observation, and its reasoning is what the
action refers to, an arrow, and the patch of what it changes. *Ledger* mode
shows the current state and no turns, *history* mode the initial state and
every turn so far (paper section 2.3, Eq. 1).
Nothing here tokenises, and nothing is parsed back out of rendered text; the
AgentWorldBench layout is in `agentworldbench`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agentworld_dag.trajectories import patch
from agentworld_dag.trajectories.schema import SystemPrompt, Trajectory

TEMPLATE_VERSION = "world-model-chat-1"
ARROW = "->"
"""Stands between the facts recalled and the patch."""

Message = dict[str, Any]
Template = Literal["compact", "full"]


def system_text(system: SystemPrompt, state: str, template: Template) -> str:
    """The system message. `compact` is the bare state, for models that know one environment only."""
    if template == "compact":
        return state
    parts = [
        system.task_description,
        f"Action space:\n{system.action_space}",
        f"State:\n{state}",
        system.demonstrations,
        system.simulation_instruction,
        f"Think: quote the state lines the action refers to, `name?` for what is not there, then a line {ARROW}, then "
        "what the action changes: one `key=value` line per new or changed fact, `-key` for one that is gone. "
        "Then answer with the observation only.",
    ]
    return "\n\n".join(part for part in parts if part)


def prompt_messages(
    system: SystemPrompt, state: str, turns: Sequence[tuple[str, str]], action: str, template: Template
) -> list[Message]:
    """Messages up to and including `action`; `turns` are the (action, observation) pairs after `state`."""
    messages: list[Message] = [{"role": "system", "content": system_text(system, state, template)}]
    for past_action, past_observation in turns:
        messages += [_user(past_action), {"role": "assistant", "content": past_observation}]
    return [*messages, _user(action)]


def target_message(recalled: str, state_patch: str, observation: str) -> Message:
    """The supervised answer: facts and patch as reasoning, then the true observation."""
    reasoning = "\n".join(part for part in (recalled, ARROW, state_patch) if part)
    return {"role": "assistant", "reasoning_content": reasoning, "content": observation}


def trajectory_messages(trajectory: Trajectory, template: Template) -> list[Message]:
    """The whole trajectory without reasoning, as CPT reads it (paper section 3.2)."""
    system = trajectory.system
    messages: list[Message] = [{"role": "system", "content": system_text(system, system.initial_state, template)}]
    for turn in trajectory.turns:
        messages += [_user(turn.action), {"role": "assistant", "content": turn.observation or ""}]
    return messages


def state_before(trajectory: Trajectory, turn_index: int) -> str:
    """The true state the action of `turn_index` met."""
    state = trajectory.turns[turn_index - 1].state if turn_index else trajectory.system.initial_state
    return state or ""


def turn_messages(
    trajectory: Trajectory,
    turn_index: int,
    mode: Literal["ledger", "history"],
    template: Template,
    whole_state: bool = False,
) -> tuple[list[Message], Message]:
    """(prompt, target) of one turn with the truth as context; `whole_state` writes the next state for its patch."""
    turn = trajectory.turns[turn_index]
    before = state_before(trajectory, turn_index)
    past = [(t.action, t.observation or "") for t in trajectory.turns[:turn_index]] if mode == "history" else []
    shown = trajectory.system.initial_state if mode == "history" else before
    prompt = prompt_messages(trajectory.system, shown, past, turn.action, template)
    changes = turn.state or "" if whole_state else patch.diff(before, turn.state or "")
    return prompt, target_message(turn.consulted or "", changes, turn.observation or "")


def _user(action: str) -> Message:
    return {"role": "user", "content": action}


@dataclass(frozen=True)
class Answer:
    """A world model's answer, taken apart."""

    recalled: str
    """What it quoted of the state; nothing depends on it."""
    state_patch: str
    observation: str


def parse_answer(text: str) -> Answer | None:
    """The parts of a generated text, end token removed; None unless reasoning, arrow and closing are all there.

    Strict, so that reasoning can never leak into what a judge or an agent sees
    (paper section 3.4.2).
    """
    opening, thought, rest = text.partition("<think>\n")
    reasoning, closing, observation = rest.partition("</think>")
    recalled, arrow, state_patch = f"\n{reasoning}".partition(f"\n{ARROW}\n")
    if opening or not thought or not closing or not arrow:
        return None
    return Answer(recalled.strip("\n"), state_patch.removesuffix("\n"), observation.removeprefix("\n\n"))
