"""One OpenAI-compatible chat endpoint: vLLM, SGLang, `transformers serve`, a hosted API.

A call that did not work is data (`Refusal`), never an exception: the caller
records it. What may pass is tried again with growing pauses; what cannot (a
wrong key, a context that is too long) is not. Streaming, tools and pictures are
left out.
"""

import asyncio
import json
import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from agentworld_dag.endpoints.limit import AdaptiveLimit
from agentworld_dag.errors import ConfigError

ATTEMPTS = 6
LONGEST_PAUSE_S = 60.0
SHOWN_CHARS = 300
OVERLOADED = {408, 425, 429, 500, 502, 503, 504, 529}
FATAL = {401, 403, 404}
"""A wrong key, no right, no such model or path: met by every call alike."""
OLD_LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
"""Reasoning models behind hosted APIs refuse the first name, most local servers know only that."""
FORMAT = "response_format"
"""Not every server can be told what JSON to write."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers and what every call asks of it."""

    url: str
    """Base address, up to and including /v1."""
    model: str
    temperature: float
    max_tokens: int
    timeout_s: float
    most_open: int
    """Largest number of calls open at once."""
    api_key: str = field(default="", repr=False)
    json_schema: Mapping[str, Any] | None = None
    """What the answer has to look like, for endpoints that can be told."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"endpoint {self.url!r}: expected a base address like http://localhost:8000/v1")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"temperature {self.temperature:g} of {self.model}: expected 0 or more")
        if not min(self.max_tokens, self.most_open) > 0 or not self.timeout_s > 0:
            raise ConfigError(
                f"{self.max_tokens} tokens, {self.most_open} calls at once and {self.timeout_s:g} s for an answer of "
                f"{self.model}: each must be above 0"
            )


@dataclass(frozen=True)
class Reply:
    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    latency_s: float
    """Of the attempt that worked."""


@dataclass(frozen=True)
class Refusal:
    """A call that got no answer."""

    cause: str
    passing: bool
    """It may work later: overload, time-out, no connection."""
    fatal: bool = False
    """Every other call would meet it too."""
    pause_s: float = 0.0
    """What the endpoint asked to wait."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Used all the same: an empty answer is paid for."""


class ChatClient:
    """An open connection pool; use as `async with`."""

    def __init__(self, endpoint: Endpoint, first_pause_s: float = 1.0) -> None:
        self._endpoint = endpoint
        self._first_pause_s = first_pause_s
        self._options = _options(endpoint)
        self._answered = False
        self.limit = AdaptiveLimit(endpoint.most_open)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout_s),
            headers={"Authorization": f"Bearer {self._endpoint.api_key}"} if self._endpoint.api_key else None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, messages: list[dict[str, str]]) -> Reply | Refusal:
        """The endpoint's answer, after up to ATTEMPTS tries."""
        found: Reply | Refusal = Refusal("not asked", passing=True)
        for attempt in range(ATTEMPTS):
            found = await self._ask_once(messages)
            if isinstance(found, Reply) or not found.passing or attempt == ATTEMPTS - 1:
                break
            await asyncio.sleep(max(found.pause_s, growing_pause_s(attempt, self._first_pause_s)))
        return found

    async def _ask_once(self, messages: list[dict[str, str]]) -> Reply | Refusal:
        async with self.limit as ticket:
            found = await self._post(messages)
        if isinstance(found, Reply):
            self.limit.served()
        elif found.passing:
            self.limit.overloaded(ticket, found.pause_s)
        return found

    async def _post(self, messages: list[dict[str, str]]) -> Reply | Refusal:
        started, asked, options = time.monotonic(), self._endpoint, dict(self._options)
        body = {"model": asked.model, "messages": messages, "temperature": asked.temperature, **options}
        try:
            async with self._session.post(f"{asked.url}/chat/completions", json=body) as answer:
                text = await answer.text()
                if answer.status == 400 and self._understood(text, options):
                    return await self._post(messages)
                if answer.status != 200:
                    return self._refused(answer.status, text, answer.headers.get("Retry-After", ""))
                self._answered = True
                return _reply(json.loads(text), time.monotonic() - started)
        except TimeoutError:
            return Refusal(f"no answer within {asked.timeout_s:g} s", passing=True)
        except aiohttp.ClientConnectorError as error:
            return Refusal(f"no connection to {asked.url} ({error.strerror or error})", self._answered, fatal=True)
        except aiohttp.ClientError as error:
            return Refusal(f"the connection broke ({type(error).__name__})", passing=True)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return Refusal("an answer that is no chat completion", passing=True)

    def _understood(self, text: str, options: Mapping[str, Any]) -> bool:
        """Whether a complaint is about an option that the next call can do without."""
        if OLD_LIMIT in options and NEW_LIMIT in text:
            self._options = {NEW_LIMIT if name == OLD_LIMIT else name: value for name, value in self._options.items()}
        elif FORMAT in options and FORMAT in text:
            self._options = {name: value for name, value in self._options.items() if name != FORMAT}
        else:
            return False
        return True

    def _refused(self, status: int, text: str, retry_after: str) -> Refusal:
        if self._endpoint.api_key:
            text = text.replace(self._endpoint.api_key, "***")  # before the cut, which could leave a part of it
        pause_s = min(float(retry_after), LONGEST_PAUSE_S) if retry_after.isdecimal() else 0.0
        return Refusal(f"HTTP {status}: {_shown(text)}", status in OVERLOADED, status in FATAL, pause_s)


def growing_pause_s(attempt: int, first_pause_s: float) -> float:
    """Doubles each time; the random half keeps calls that failed together from coming back together."""
    return min(first_pause_s * 2**attempt, LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)


def _options(endpoint: Endpoint) -> dict[str, Any]:
    limit = {OLD_LIMIT: endpoint.max_tokens}
    if endpoint.json_schema is None:
        return limit
    return limit | {FORMAT: {"type": "json_schema", "json_schema": dict(endpoint.json_schema)}}


def _shown(text: str) -> str:
    return " ".join(text.split())[:SHOWN_CHARS]


def _reply(body: Any, latency_s: float) -> Reply | Refusal:
    choice = body["choices"][0]
    text, reason = choice["message"].get("content") or "", choice.get("finish_reason")
    usage = body.get("usage") or {}
    used = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if not isinstance(text, str) or not text.strip():
        return Refusal(f"an empty answer, finish_reason {reason}", False, False, 0.0, *used)
    return Reply(text, reason, *used, latency_s)


def _count(value: object) -> int | None:
    return value if type(value) is int else None
