"""Batched in-process generation for small checkpoints.

Episodes are coroutines; each asks for one completion at a time. All requests
that wait at the same moment become one padded batch, so hundreds of simulated
shells cost about as much as one. A serving endpoint for large checkpoints
takes this class's place behind the same method.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from agentworld_dag.simulator.kv_cache import roomy_cache, shared_beginning


@dataclass(frozen=True)
class _Request:
    prompt: list[int]
    max_new_tokens: int
    temperature: float
    answer: "asyncio.Future[list[int]]"


class Engine:
    """Greedy or sampled completions of token prompts; deterministic for a seed and an order of requests."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int, max_batch: int = 64
    ) -> None:
        self.model = model.eval()
        self.tokenizer: Any = tokenizer  # its annotations are unions that no call narrows
        self.max_batch = max_batch
        self.seed(seed)
        self._waiting: list[_Request] = []
        self.tokens = 0  # of prompts read and completions written so far

    def seed(self, seed: int) -> None:
        """Start the sampling sequence again."""
        self._generator = torch.Generator(device=self.model.device).manual_seed(seed)

    async def generate(self, prompt_ids: list[int], max_new_tokens: int, temperature: float) -> list[int]:
        """Completion ids without the end token. Temperature 0 is greedy."""
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
        """Completions in the order of `prompts`, generated in batches of similar length."""
        # A greedy answer depends on the prompt alone: equal prompts are answered once.
        keys = [(tuple(prompt), 0 if temperature == 0 else index) for index, prompt in enumerate(prompts)]
        pending = sorted(dict.fromkeys(keys), key=lambda key: len(key[0]))
        answers: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for start in range(0, len(pending), self.max_batch):
            chosen = pending[start : start + self.max_batch]
            completions = self._decode([list(prompt) for prompt, _ in chosen], max_new_tokens, temperature)
            answers |= zip(chosen, completions, strict=True)
            self.tokens += sum(len(key[0]) for key in chosen) + sum(map(len, completions))
        return [answers[key] for key in keys]

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
