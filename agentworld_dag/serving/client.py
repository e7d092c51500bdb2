"""Token prompts sent to a vLLM server's /v1/completions, and token ids back: nothing is decoded on the way.

Unlike the calls of `endpoints.client`, these are answers a stage cannot do
without: what passes is tried again, anything else is an error. How many are
open is a plain limit, for vLLM queues what it cannot run yet. Streaming is left
out.
"""

import asyncio
import json
from typing import Any, Self

import aiohttp

from agentworld_dag.endpoints.client import OVERLOADED, SHOWN_CHARS, growing_pause_s
from agentworld_dag.errors import EndpointError
from agentworld_dag.serving.server import Server

ATTEMPTS = 4
FIRST_PAUSE_S = 1.0
WHOLE_DISTRIBUTION = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Sampling as the engine in this process does it, whatever the server's defaults are."""


class TokenClient:
    """An open connection pool; use as `async with`."""

    def __init__(self, server: Server, at_once: int, timeout_s: float) -> None:
        self._server, self._at_once, self._timeout_s = server, at_once, timeout_s

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._at_once),
            # From the first byte sent: time in our own queue is nobody's fault.
            timeout=aiohttp.ClientTimeout(total=None, sock_read=self._timeout_s),
            headers={"Authorization": f"Bearer {self._server.key}"} if self._server.key else None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def complete(
        self, prompt: list[int], max_new_tokens: int, temperature: float, seed: int, end: int
    ) -> list[int]:
        """The ids up to `end`, which is left out. Raises EndpointError."""
        choice = await self._choice(
            {
                **WHOLE_DISTRIBUTION,
                "prompt": prompt,
                "max_tokens": max_new_tokens,
                "temperature": temperature,
                "seed": seed,
                "stop_token_ids": [end],
                "ignore_eos": True,  # a checkpoint may name more ends than the one it was trained with
                "return_token_ids": True,
            }
        )
        ids = choice.get("token_ids")
        if not isinstance(ids, list):
            raise EndpointError(f"{self._server.url} gives no token ids; a vLLM server of 0.22 or later does")
        return ids[: ids.index(end)] if end in ids else ids

    async def log_probabilities(self, prompt: list[int], answer: list[int]) -> list[float]:
        """Of each token of `answer` after all before it. Raises EndpointError."""
        whole = prompt + answer
        choice = await self._choice({"prompt": whole, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 1})
        held = choice["prompt_logprobs"][len(prompt) :]
        return [at[str(token)]["logprob"] for token, at in zip(answer, held, strict=True)]

    async def _choice(self, asked: dict[str, Any]) -> dict[str, Any]:
        cause = ""
        for attempt in range(ATTEMPTS):
            found = await self._post({"model": self._server.model, **asked})
            if isinstance(found, dict):
                return found
            cause, passing = found
            await asyncio.sleep(growing_pause_s(attempt, FIRST_PAUSE_S))  # also until a dying server is dead
            if ended := self._server.ended():
                raise ended
            if not passing:
                break
        raise EndpointError(f"{self._server.model} at {self._server.url}: {cause}")

    async def _post(self, body: dict[str, Any]) -> dict[str, Any] | tuple[str, bool]:
        """The choice; or what went wrong, and whether it may pass."""
        try:
            async with self._session.post(f"{self._server.url}/completions", json=body) as answer:
                text = await answer.text()
                if answer.status == 200:
                    return json.loads(text)["choices"][0]
                return f"HTTP {answer.status}: {' '.join(text.split())[:SHOWN_CHARS]}", answer.status in OVERLOADED
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s", True
        except aiohttp.ClientError as error:
            return f"the connection broke ({type(error).__name__})", True
        except (ValueError, KeyError, IndexError, TypeError):
            return "an answer that is no completion", False
