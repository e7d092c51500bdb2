import asyncio
from typing import Any

import pytest

from agentworld_dag.endpoints.client import ATTEMPTS, ChatClient, Endpoint, Refusal, Reply
from agentworld_dag.errors import ConfigError
from tests.endpoints.scripted_server import Said, serving

MESSAGES = [{"role": "user", "content": "ls"}]


def endpoint(url: str, **fields: Any) -> Endpoint:
    base = {"model": "m", "temperature": 0.0, "max_tokens": 8, "timeout_s": 5.0, "most_open": 8}
    return Endpoint(url, **{**base, **fields})


def ask(asked: Endpoint, calls: int = 1) -> list[Reply | Refusal]:
    async def run() -> list[Reply | Refusal]:
        async with ChatClient(asked, first_pause_s=0.01) as client:
            return [await client.ask(MESSAGES) for _ in range(calls)]

    return asyncio.run(run())


def refusal(asked: Endpoint) -> Refusal:
    (found,) = ask(asked)
    assert isinstance(found, Refusal)
    return found


def test_a_reply_carries_text_and_cost() -> None:
    with serving(lambda *_: Said("red\n~$")) as server:
        (found,) = ask(endpoint(server.url, api_key="secret"))
    assert isinstance(found, Reply)
    assert (found.text, found.finish_reason, found.prompt_tokens, found.completion_tokens) == ("red\n~$", "stop", 3, 2)
    assert server.asked == [{"model": "m", "messages": MESSAGES, "temperature": 0.0, "max_tokens": 8}]
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize(
    "fault",
    [
        Said(status=429, headers={"Retry-After": "0"}),
        Said(status=503),
        Said(body=b"<html>try later</html>"),
        Said(body=b'{"choices": []}'),
        Said(cut=True),
    ],
    ids=["429", "503", "garbage", "no choice", "cut short"],
)
def test_what_passes_is_tried_again(fault: Said) -> None:
    with serving(lambda _, before: fault if before < 2 else Said("ok")) as server:
        (found,) = ask(endpoint(server.url))
    assert isinstance(found, Reply)
    assert len(server.asked) == 3


def test_trying_again_has_an_end_and_a_cause() -> None:
    with serving(lambda *_: Said(status=500, body=b"out of\n memory")) as server:
        found = refusal(endpoint(server.url))
    assert found.cause == "HTTP 500: out of memory"
    assert len(server.asked) == ATTEMPTS
    assert not found.fatal


def test_an_answer_too_late_is_a_refusal_that_says_so() -> None:
    with serving(lambda *_: Said(delay_s=1.0)) as server:
        assert refusal(endpoint(server.url, timeout_s=0.05)).cause == "no answer within 0.05 s"


def test_what_cannot_pass_is_not_tried_again() -> None:
    with serving(lambda *_: Said(status=400, body=b"context length exceeded")) as server:
        found = refusal(endpoint(server.url))
    assert (found.cause, found.fatal, len(server.asked)) == ("HTTP 400: context length exceeded", False, 1)


@pytest.mark.parametrize("content", ["", None, "  \n"])
def test_an_empty_answer_is_a_refusal(content: str | None) -> None:
    with serving(lambda *_: Said(content)) as server:
        assert refusal(endpoint(server.url)).cause == "an empty answer, finish_reason stop"


def test_a_wrong_key_is_fatal_and_never_shown() -> None:
    with serving(lambda *_: Said(status=401, body=b"no such key: sk-123")) as server:
        found = refusal(endpoint(server.url, api_key="sk-123"))
    assert found.fatal
    assert found.cause == "HTTP 401: no such key: ***"
    assert "sk-123" not in repr(endpoint(server.url, api_key="sk-123"))


def test_nobody_there_is_fatal_at_once() -> None:
    found = refusal(endpoint("http://127.0.0.1:9/v1"))
    assert found.fatal
    assert not found.passing
    assert found.cause.startswith("no connection to http://127.0.0.1:9/v1")


def test_the_other_name_of_the_token_limit_is_learnt_once() -> None:
    def answer(request: dict[str, Any], _: int) -> Said:
        refused = b"'max_tokens' is not supported, use 'max_completion_tokens'"
        return Said(status=400, body=refused) if "max_tokens" in request else Said("ok")

    with serving(answer) as server:
        found = ask(endpoint(server.url), calls=2)
    assert all(isinstance(each, Reply) for each in found)
    assert ["max_tokens" in request for request in server.asked] == [True, False, False]


def test_a_server_that_knows_no_schema_is_asked_without() -> None:
    def answer(request: dict[str, Any], _: int) -> Said:
        return Said(status=400, body=b"response_format is unknown") if "response_format" in request else Said("ok")

    with serving(answer) as server:
        (found,) = ask(endpoint(server.url, json_schema={"name": "scores"}))
    assert isinstance(found, Reply)
    assert ["response_format" in request for request in server.asked] == [True, False]


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"url": "localhost:8000"}, "expected a base address like"), ({"most_open": 0}, "must be above 0")],
)
def test_an_unusable_endpoint_is_refused_before_any_call(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        endpoint(**{"url": "http://localhost", **fields})
