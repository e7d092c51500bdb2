"""Tokens of the agent's conversation, the same in imitation, practice and evaluation.

A policy is trained by TRL's tool loop and evaluated by ours; both must feed it
the same ids after the same words. So everything goes through TRL's training
variant of the Qwen3 template without thinking, TRL's own response parser, and
a tool answer that is appended as ids: what the policy said is never tokenised again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import add_response_schema, parse_response

from agentworld_dag.training.labelled_head import IGNORED
from agentworld_dag.training.supervised import Sample
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.agent_chat import (
    TOOL_NAME,
    TOOLS,
    Message,
    call_message,
    episode_messages,
    task_messages,
)

_CALL_MARK = "<tool_call>"
_SPOKEN_TO = ({"role": "user", "content": "x"}, call_message("x"))
"""Any conversation that waits for a tool's answer: what follows does not depend on it."""


@dataclass(frozen=True)
class Speech:
    """One message of the policy, taken apart."""

    message: Message
    commands: tuple[str, ...]
    """What it asks the shell to run; none when it is done."""
    invalid: bool
    """It was cut off, or tried to call a tool in a form that cannot be carried out: the episode ends there."""


class AgentEncoder:
    """Prompts, tool answers and demonstrations as token ids, and what the policy said as commands."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if getattr(tokenizer, "response_template", None) is None:
            tokenizer = add_response_schema(tokenizer)
        self.tokenizer = tokenizer
        self.end: int = tokenizer.convert_tokens_to_ids(str(tokenizer.eos_token))  # pyright: ignore[reportAttributeAccessIssue]
        self._chat = ChatEncoder(tokenizer)
        opening = self._text(_SPOKEN_TO[:1], tools=None)
        self._opening = self._chat.ids(opening[opening.rindex("<|im_start|>") :])
        self._heard = len(self._chat.text(_SPOKEN_TO, enable_thinking=False).rstrip("\n"))

    def prompt(self, instruction: str) -> list[int]:
        """Ids of the task up to where the policy starts to write."""
        return self._chat.ids(self._text(task_messages(instruction), tools=TOOLS))

    def answer(self, observations: Sequence[Message]) -> list[int]:
        """Ids between the end of the policy's call and its next word."""
        return self._chat.ids(self._text([*_SPOKEN_TO, *observations], tools=None)[self._heard :])

    def demonstration(self, instruction: str, turns: Sequence[tuple[str, str]]) -> Sample:
        """A finished episode with loss on what the assistant says."""
        ids, spoken = self._chat.masked(episode_messages(instruction, turns), tools=TOOLS)
        return Sample(ids, [token if mask else IGNORED for token, mask in zip(ids, spoken, strict=True)])

    def speech(self, ids: list[int]) -> Speech:
        """What a completion says. A call that cannot be carried out, or a message cut off, asks for nothing."""
        message = parse_response(self.tokenizer, ids, prefix=self._opening, tools=TOOLS)
        calls = message.get("tool_calls", [])
        commands = tuple(command for command in map(_command, calls) if command is not None)
        whole = bool(ids) and ids[-1] == self.end
        broken = len(commands) < len(calls) or _CALL_MARK in message["content"]
        return Speech(message, commands if whole and not broken else (), invalid=broken or not whole)

    def _text(self, messages: Sequence[Message], tools: list[Any] | None) -> str:
        return self._chat.text(messages, tools=tools, add_generation_prompt=True, enable_thinking=False)


def _command(call: dict[str, Any]) -> str | None:
    """The command of a tool call, None where the tool or its arguments are not ours."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    if name != TOOL_NAME or not isinstance(arguments, dict) or set(arguments) != {"command"}:
        return None
    command = arguments["command"]
    return command if isinstance(command, str) else None
