"""The agent's side of the conversation: system text, tool schema, messages of an episode.

An agent is told its task in words and acts through one tool. This is data
format only, shared by whoever trains the tokenizer, trains the agent or
evaluates it; token ids are `agents.encoder`'s, and limits on turns a preset's.
"""

from collections.abc import Sequence
from typing import Any

CHAT_VERSION = "agent-chat-1"

SYSTEM_TEXT = "Work in the shell."
FINAL_ANSWER = "done"
"""What an agent says when it stops acting."""

TOOL_NAME = "bash"
# Equal to what TRL derives from the agent's tool method; a test holds the two together.
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": TOOL_NAME,
            "description": "Run a command.",
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "string", "description": "The command."}},
                "required": ["command"],
            },
            "return": {"type": "string"},
        },
    }
]

Message = dict[str, Any]


def task_messages(instruction: str) -> list[Message]:
    """The prompt of an episode: what every agent is told, then its task."""
    return [{"role": "system", "content": SYSTEM_TEXT}, {"role": "user", "content": instruction}]


def call_message(command: str) -> Message:
    """The assistant sends one command."""
    function = {"name": TOOL_NAME, "arguments": {"command": command}}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}


def observation_message(observation: str, name: str = TOOL_NAME) -> Message:
    """What the tool answered."""
    return {"role": "tool", "name": name, "content": observation}


def episode_messages(instruction: str, turns: Sequence[tuple[str, str]]) -> list[Message]:
    """A finished episode as a demonstration; `turns` are (command, observation) pairs."""
    messages = task_messages(instruction)
    for command, observation in turns:
        messages += [call_message(command), observation_message(observation)]
    return [*messages, {"role": "assistant", "content": FINAL_ANSWER}]
