"""A policy that says what it is told to, behind the engine's interface."""

from collections.abc import Callable
from typing import Any, cast

from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.agents.rollout import Policy
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.window import Window
from agentworld_dag.trajectories.agent_chat import call_message, episode_messages
from tests.agents.conftest import small_agent

Script = Callable[[str], str]
"""From the conversation so far, as text, to the next message as it would be generated."""


def call(command: str) -> str:
    """The text of a tool call."""
    from agentworld_dag.training.tokenizer import ChatEncoder, untrained_tokenizer

    text = ChatEncoder(untrained_tokenizer()).text([*episode_messages("", [])[:2], call_message(command)])
    return text.rpartition("</think>\n\n")[2].removesuffix("\n")


class ScriptedEngine:
    """Counts its batches; deterministic."""

    def __init__(self, encoder: AgentEncoder, script: Script, max_tokens: int) -> None:
        self._encoder, self._script = encoder, script
        self.window = Window(encoder.tokenizer, max_tokens)
        self.batches: list[int] = []

    def seed(self, seed: int) -> None:
        self.last_seed = seed

    def generate_batch(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        self.batches.append(len(prompts))
        said = [self._script(str(self._encoder.tokenizer.decode(prompt))) for prompt in prompts]
        found = [list(self._encoder.tokenizer(text)["input_ids"])[:max_new_tokens] for text in said]
        return [ids[: ids.index(self._encoder.end)] if self._encoder.end in ids else ids for ids in found]


def scripted_policy(encoder: AgentEncoder, script: Script, max_tokens: int = 4096, **agent: Any) -> Policy:
    engine = ScriptedEngine(encoder, script, max_tokens)
    limits = small_agent(**{"max_new_tokens": 200, "max_turns": 3, **agent})
    return Policy(cast(Engine, engine), encoder, limits, temperature=0.0)
