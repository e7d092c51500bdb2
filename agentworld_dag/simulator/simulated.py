"""The language world model as an environment, behind the protocol of the real one.

In *ledger* mode the model sees an explicit state that its own patches update;
in *history* mode it sees the initial state and everything said since. Both
keep the believed state, so a goal can be checked in either. There is no
reward head and no termination head (paper section 2.3).
"""

from dataclasses import dataclass
from typing import Literal

from agentworld_dag.errors import SimulatorError, TrajectoryError
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories import patch
from agentworld_dag.trajectories.render import Message, Template, parse_answer, prompt_messages
from agentworld_dag.trajectories.schema import SystemPrompt


@dataclass(frozen=True)
class Settings:
    """How a simulator answers."""

    mode: Literal["ledger", "history"]
    temperature: float
    max_new_tokens: int
    template: Template
    system: SystemPrompt
    """Static parts of the prompt; the initial state is each episode's own."""
    first_observation: str
    """What the real environment shows on reset."""
    reasons: bool = True
    """Whether the model writes a state patch before it answers; a CPT checkpoint does not."""


class SimulatedEnvironment:
    """One simulated episode; implements `environments.protocol.Environment`."""

    def __init__(self, engine: Engine, encoder: ChatEncoder, settings: Settings) -> None:
        self._engine, self._encoder, self._settings = engine, encoder, settings
        self._initial_state = self._state = ""
        self._turns: list[tuple[str, str]] = []

    @property
    def name(self) -> str:
        return f"simulator-{self._settings.mode}"

    @property
    def action_space(self) -> str:
        return self._settings.system.action_space

    async def reset(self, initial_state: str, seed: int) -> str:
        """Start an episode. `seed` is unused: the engine's own seed drives sampling."""
        self._initial_state = self._state = initial_state
        self._turns = []
        return self._settings.first_observation

    async def step(self, action: str) -> str:
        """The predicted observation. Raises SimulatorError when the model's answer cannot be used."""
        prompt = self._encoder.prompt(self._prompt(action), thinking=self._settings.reasons)
        ids = await self._engine.generate(prompt, self._settings.max_new_tokens, self._settings.temperature)
        text = self._encoder.tokenizer.decode(ids)
        observation = self._learn_state(text, action) if self._settings.reasons else text
        self._turns.append((action, observation))
        return observation

    async def state(self) -> str:
        """The believed state."""
        return self._state

    async def close(self) -> None:
        """Nothing is held between episodes."""

    def _prompt(self, action: str) -> list[Message]:
        shown, turns = (self._state, []) if self._settings.mode == "ledger" else (self._initial_state, self._turns)
        return prompt_messages(self._settings.system, shown, turns, action, self._settings.template)

    def _learn_state(self, text: str, action: str) -> str:
        answer = parse_answer(text)
        if answer is None:
            raise SimulatorError(f"the world model's answer to {action!r} has no closed reasoning: {text[:80]!r}")
        try:
            self._state = patch.apply(self._state, answer.state_patch)
        except TrajectoryError as error:
            raise SimulatorError(f"the world model's patch for {action!r} does not apply: {error}") from error
        return answer.observation
