"""What completes token prompts: in this process (`in_process`), or behind a model server (`serving.engine`).

Both answer the same prompts with the same tokens, up to the arithmetic of
their kernels; `serving.opening` is the one place that chooses.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from agentworld_dag.simulator.window import Window


class Engine(Protocol):
    """Greedy or sampled completions of token prompts. A prompt that outgrows the window is cut to it."""

    tokenizer: Any
    window: Window
    tokens: int
    """Of prompts read and completions written so far."""

    def seed(self, seed: int) -> None:
        """Start the sampling sequence again."""
        ...

    async def generate(self, prompt_ids: list[int], max_new_tokens: int, temperature: float) -> list[int]:
        """Completion ids without the end token. Temperature 0 is greedy. Who asks at the same time shares a batch."""
        ...

    def generate_batch(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        """Completions in the order of `prompts`."""
        ...

    def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[list[int]], max_new_tokens: int
    ) -> list[list[float]]:
        """Of each answer token given all before it, at temperature 1; `max_new_tokens` as the answers were made with.

        Minus infinity throughout where the prompt was unanswerable.
        """
        ...


Asked = tuple[tuple[int, ...], int]


def distinct(prompts: Sequence[list[int]], temperature: float) -> list[Asked]:
    """A key per prompt: equal where one answer serves both, since a greedy answer depends on the prompt alone."""
    return [(tuple(prompt), 0 if temperature == 0 else index) for index, prompt in enumerate(prompts)]
