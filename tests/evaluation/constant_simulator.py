"""Simulators that give one answer to everything: what they score can be told from the episodes alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from agentworld_dag.environments.terminal import ACTION_SPACE, FIRST_OBSERVATION, TASK_DESCRIPTION
from agentworld_dag.serving.settings import Serving
from agentworld_dag.simulator.bundle import Simulator
from agentworld_dag.simulator.simulated import Settings
from agentworld_dag.simulator.window import Window
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.schema import SystemPrompt, Trajectory

SETTINGS = Settings("ledger", 0.0, 16, "compact", SystemPrompt(TASK_DESCRIPTION, ACTION_SPACE), FIRST_OBSERVATION)
PROMPT, UNUSABLE = "~$", "unusable"
"""What the simulators say: that nothing was printed, or something that is no answer at all."""


class ConstantEngine:
    """Completes every prompt alike."""

    def __init__(self, encoder: ChatEncoder, says: str) -> None:
        self._completion = encoder.ids(says)
        self.window = Window(encoder.tokenizer, 1024)
        self.tokens = 0

    async def generate(self, prompt_ids: list[int], max_new_tokens: int, temperature: float) -> list[int]:
        return self.generate_batch([prompt_ids], max_new_tokens, temperature)[0]

    def generate_batch(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        self.tokens += len(prompts) * len(self._completion)
        return [self._completion] * len(prompts)


def use_constant_simulators(monkeypatch: pytest.MonkeyPatch, module: object, tokenizer: Path) -> None:
    """From here on a simulator's folder holds nothing but what it always says; see `constant`."""

    @contextmanager
    def opened(folder: Path, seed: int, serving: Serving) -> Iterator[Simulator]:
        encoder = ChatEncoder(AutoTokenizer.from_pretrained(tokenizer))
        said = (folder / "says").read_text()
        text = said if said == UNUSABLE else f"<think>\n->\n</think>\n\n{said}"
        yield Simulator(ConstantEngine(encoder, text), encoder, SETTINGS)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "open_simulator", opened)


def constant(folder: Path, says: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "says").write_text(says)
    return folder


def shares(episodes: list[Trajectory], says: str) -> list[float]:
    """The exact share of each episode."""
    return [sum(turn.observation == says for turn in episode.turns) / len(episode.turns) for episode in episodes]
