"""An `Engine` whose tokens come from a vLLM server: for checkpoints that a Python loop is too slow for.

All that wait are sent at once and the server batches them as they come, over
episodes and environments; what they share at the beginning it computes once.
Connections live in a thread of their own, so that any event loop may ask, and
code without one too.
"""

import asyncio
import math
import random
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from agentworld_dag.serving.client import TokenClient
from agentworld_dag.serving.server import Server
from agentworld_dag.serving.settings import Serving
from agentworld_dag.simulator.engine import distinct
from agentworld_dag.simulator.window import Window

SEED_BITS = 31
KEPT = 1
"""Token of the context that no prompt gets: how likely a whole answer is, a server tells only if it may add one."""

T = TypeVar("T")


class ServedEngine:
    """Use as `with`. Deterministic for a seed and an order of requests, up to the arithmetic of batches."""

    def __init__(self, server: Server, tokenizer: Any, seed: int, settings: Serving) -> None:
        self.tokenizer = tokenizer
        limit = min(settings.max_tokens or server.max_tokens, server.max_tokens - KEPT)
        self.window = Window(tokenizer, limit)
        self.tokens = 0
        self.seed(seed)
        self._client = TokenClient(server, settings.at_once, settings.answer_timeout_s)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="served-engine", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._client.__aenter__()).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._client.__aexit__()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def seed(self, seed: int) -> None:
        self._seeds = random.Random(seed)

    async def generate(self, prompt_ids: list[int], max_new_tokens: int, temperature: float) -> list[int]:
        answers = await asyncio.wrap_future(self._ask([prompt_ids], max_new_tokens, temperature))
        return answers[0]

    def generate_batch(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        return self._ask(prompts, max_new_tokens, temperature).result()

    def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[list[int]], max_new_tokens: int
    ) -> list[list[float]]:
        fitted = [self.window.fit(prompt, max_new_tokens) for prompt in prompts]
        rows = [(prompt, ids) for prompt, ids in zip(fitted, answers, strict=True) if prompt is not None]
        found = iter(self._run(_all([self._client.log_probabilities(*row) for row in rows])).result())
        return [
            [-math.inf] * len(ids) if prompt is None else next(found)
            for prompt, ids in zip(fitted, answers, strict=True)
        ]

    def _ask(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> "Future[list[list[int]]]":
        """Seeds are drawn here, in the order in which callers ask."""
        fitted = self.window.admit(prompts, max_new_tokens)
        keys = distinct([prompt for prompt in fitted if prompt is not None], temperature)
        seeds = {key: self._seeds.getrandbits(SEED_BITS) for key in dict.fromkeys(keys)}

        async def answered() -> list[list[int]]:
            ends = self.tokenizer.eos_token_id
            calls = [self._client.complete(list(k[0]), max_new_tokens, temperature, s, ends) for k, s in seeds.items()]
            found = dict(zip(seeds, await _all(calls), strict=True))
            self.tokens += sum(len(key[0]) + len(ids) for key, ids in found.items())
            waiting = iter(keys)
            return [[] if prompt is None else found[next(waiting)] for prompt in fitted]

        return self._run(answered())

    def _run(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)


async def _all(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results in order; when one fails the others are not waited for, and end."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
