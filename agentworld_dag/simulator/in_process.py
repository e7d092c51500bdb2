"""Batched in-process generation for small checkpoints.

Episodes are coroutines; each asks for one completion at a time. All requests
that wait at the same moment become one padded batch, so hundreds of simulated
shells cost about as much as one. Large checkpoints are for a model server
(`serving.engine`).
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from agentworld_dag.simulator.engine import Asked, distinct
from agentworld_dag.simulator.kv_cache import roomy_cache, shared_beginning
from agentworld_dag.simulator.window import Window
from agentworld_dag.training.checkpoints import load_checkpoint


@dataclass(frozen=True)
class _Request:
    prompt: list[int]
    max_new_tokens: int
    temperature: float
    answer: "asyncio.Future[list[int]]"


class InProcessEngine:
    """An `Engine` over a loaded model; deterministic for a seed and an order of requests."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        seed: int,
        max_tokens: int | None = None,
        max_batch: int = 64,
    ) -> None:
        """`max_tokens`: of a prompt and its answer; None, or more than the model was made for, means what it was."""
        self.model = model.eval()
        self.tokenizer: Any = tokenizer  # its annotations are unions that no call narrows
        longest: int = model.config.max_position_embeddings
        self.window = Window(tokenizer, min(max_tokens or longest, longest))
        self.max_batch = max_batch
        self.seed(seed)
        self._waiting: list[_Request] = []
        self.tokens = 0

    def seed(self, seed: int) -> None:
        self._generator = torch.Generator(device=self.model.device).manual_seed(seed)

    async def generate(self, prompt_ids: list[int], max_new_tokens: int, temperature: float) -> list[int]:
        loop = asyncio.get_running_loop()
        request = _Request(prompt_ids, max_new_tokens, temperature, loop.create_future())
        self._waiting.append(request)
        if len(self._waiting) == 1:
            # Behind every callback that is ready now: whoever is about to ask gets into this batch.
            loop.call_later(0, self._flush)
        return await request.answer

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for settings in sorted({(r.max_new_tokens, r.temperature) for r in waiting}):
            group = [r for r in waiting if (r.max_new_tokens, r.temperature) == settings]
            self._answer(group, *settings)

    def _answer(self, group: list[_Request], max_new_tokens: int, temperature: float) -> None:
        try:
            completions = self.generate_batch([r.prompt for r in group], max_new_tokens, temperature)
        except Exception as error:
            for request in group:
                request.answer.set_exception(error)
            raise
        for request, completion in zip(group, completions, strict=True):
            if not request.answer.done():
                request.answer.set_result(completion)

    def generate_batch(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        fitted = self.window.admit(prompts, max_new_tokens)
        asked = [prompt for prompt in fitted if prompt is not None]
        completions = iter(self._complete(asked, max_new_tokens, temperature))
        return [[] if prompt is None else next(completions) for prompt in fitted]

    def _complete(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        """Generated in batches of similar length."""
        keys = distinct(prompts, temperature)
        pending = sorted(dict.fromkeys(keys), key=lambda key: len(key[0]))
        answers: dict[Asked, list[int]] = {}
        for start in range(0, len(pending), self.max_batch):
            chosen = pending[start : start + self.max_batch]
            completions = self._decode([list(prompt) for prompt, _ in chosen], max_new_tokens, temperature)
            answers |= zip(chosen, completions, strict=True)
            self.tokens += sum(len(key[0]) for key in chosen) + sum(map(len, completions))
        return [answers[key] for key in keys]

    def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[list[int]], max_new_tokens: int
    ) -> list[list[float]]:
        fitted = [self.window.fit(prompt, max_new_tokens) for prompt in prompts]
        found = {i: [-math.inf] * len(answers[i]) for i, prompt in enumerate(fitted) if prompt is None}
        rows = {i: (prompt, answers[i]) for i, prompt in enumerate(fitted) if prompt is not None}
        order = sorted(rows, key=lambda i: len(rows[i][0]) + len(rows[i][1]))
        for start in range(0, len(order), self.max_batch):
            chosen = order[start : start + self.max_batch]
            found |= zip(chosen, self._given([rows[i] for i in chosen]), strict=True)
        return [found[i] for i in range(len(prompts))]

    @torch.inference_mode()
    def _given(self, rows: list[tuple[list[int], list[int]]]) -> list[list[float]]:
        """One forward pass over prompts and answers, padded on the left: answers end at one edge."""
        whole, longest = [prompt + answer for prompt, answer in rows], max(len(answer) for _, answer in rows)
        tokens, mask = self._padded(whole, max(map(len, whole)))
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        out = self.model(tokens, attention_mask=mask, position_ids=positions, logits_to_keep=longest + 1)
        logs = out.logits[:, :-1].float().log_softmax(-1)
        given = logs.gather(2, tokens[:, -longest:, None])[..., 0].tolist()
        return [line[longest - len(answer) :] for line, (_, answer) in zip(given, rows, strict=True)]

    @torch.inference_mode()
    def _decode(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        end, device = self.tokenizer.eos_token_id, self.model.device
        width, shared = max(len(prompt) for prompt in prompts), shared_beginning(prompts)
        cache = roomy_cache(self.model.config.num_hidden_layers, len(prompts), width + max_new_tokens)
        if shared:
            self.model(torch.tensor([prompts[0][:shared]], device=device), past_key_values=cache, logits_to_keep=1)
        tokens, mask = self._padded([prompt[shared:] for prompt in prompts], width - shared)
        mask = torch.cat([mask.new_ones(len(prompts), shared), mask], dim=1)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
        columns, done = [], torch.zeros(len(prompts), dtype=torch.bool, device=device)
        for _ in range(max_new_tokens):
            out = self.model(
                tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
            )
            chosen = self._choose(out.logits[:, -1].float(), temperature).masked_fill(done, end)
            columns.append(chosen)
            done |= chosen == end
            if bool(done.all()):
                break
            tokens, positions = chosen[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
        return [_until(row, end) for row in torch.stack(columns, dim=1).tolist()]

    def _padded(self, prompts: list[list[int]], width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids padded on the left to `width`, and the mask of the real ones."""
        pad, device = self.tokenizer.pad_token_id, self.model.device
        tokens = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=device)
        return tokens, torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)

    def _choose(self, logits: torch.Tensor, temperature: float) -> torch.Tensor:
        if temperature == 0:
            return logits.argmax(-1)
        return torch.multinomial((logits / temperature).softmax(-1), 1, generator=self._generator)[:, 0]


def _until(row: list[int], end: int) -> list[int]:
    return row[: row.index(end)] if end in row else row


def load_engine(checkpoint: Path, seed: int, max_tokens: int | None = None) -> InProcessEngine:
    """On a GPU where there is one. Raises TrainError when there is no checkpoint."""
    model, tokenizer = load_checkpoint(checkpoint)
    mover: Any = model  # its annotations know no device
    mover.to("cuda" if torch.cuda.is_available() else "cpu")
    return InProcessEngine(model, tokenizer, seed, max_tokens)
