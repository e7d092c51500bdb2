"""The context of a model, and the one rule for prompts that outgrow it.

Kept are the first message, which holds the system prompt and the state, and
the newest turns; the oldest turns go, each a question with its answer, as many
as must. Where the first message and the last question do not fit by
themselves, nothing may be cut: the prompt gets an empty answer, which counts as
a failed one everywhere. Both are counted. An agent's episode is not cut: it ends
(`agents.rollout`).
"""

from collections.abc import Sequence
from typing import Any

from agentworld_dag.errors import ConfigError

OPENING = "<|im_start|>"
"""Begins every message of Qwen's chat format."""


class Window:
    """What fits beside an answer. State: how many prompts did not."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        """Of a prompt and its answer together."""
        self.cut = 0
        self.unanswerable = 0
        self._opening: int | None = tokenizer.convert_tokens_to_ids(OPENING)

    @property
    def counts(self) -> dict[str, int]:
        """As a stage reports them."""
        return {"cut_prompts": self.cut, "unanswerable_prompts": self.unanswerable}

    def room(self, max_new_tokens: int) -> int:
        """The longest prompt beside an answer of `max_new_tokens`. Raises ConfigError when there is none."""
        if max_new_tokens >= self.max_tokens:
            raise ConfigError(
                f"answers of up to {max_new_tokens} tokens leave no room for a prompt in a context of "
                f"{self.max_tokens}; lower max_new_tokens, or raise serving.max_tokens or model.max_tokens"
            )
        return self.max_tokens - max_new_tokens

    def admit(self, prompts: Sequence[list[int]], max_new_tokens: int) -> list[list[int] | None]:
        """Each prompt as it can be asked, None where it cannot; counted."""
        fitted = [self.fit(prompt, max_new_tokens) for prompt in prompts]
        self.unanswerable += fitted.count(None)
        self.cut += sum(new is not None and len(new) < len(old) for new, old in zip(fitted, prompts, strict=True))
        return fitted

    def fit(self, prompt: list[int], max_new_tokens: int) -> list[int] | None:
        """The prompt without as many of its oldest turns as must go; None if that is not enough."""
        room = self.room(max_new_tokens)
        if len(prompt) <= room:
            return prompt
        messages = [index for index, token in enumerate(prompt) if token == self._opening]
        # After the first message, questions and answers take turns; the last opening is the answer to come.
        questions = messages[1::2]
        for question in questions[1:]:
            if questions[0] + len(prompt) - question <= room:
                return prompt[: questions[0]] + prompt[question:]
        return None
