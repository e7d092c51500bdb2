import asyncio
import statistics
import time
from typing import Any

from agentworld_dag.endpoints.client import ChatClient, Reply
from agentworld_dag.endpoints.limit import FIRST, REACH, SHORTEST, AdaptiveLimit
from tests.endpoints.scripted_server import Said, Server, serving
from tests.endpoints.test_client import MESSAGES, endpoint


class Scene:
    """A limit with a clock of its own, in front of an endpoint that takes a second for an answer."""

    def __init__(self, most: int) -> None:
        self.now_s = 0.0
        self.limit = AdaptiveLimit(most, clock=lambda: self.now_s)

    def serve_a_round(self, calls_per_s: float | None = None) -> None:
        calls = max(self.limit.size, SHORTEST)
        self.now_s += calls / (calls_per_s or self.limit.size)
        for _ in range(calls):
            self.limit.served()

    def serve(self, calls: int, complaint_every: int) -> None:
        for call in range(calls):
            self.now_s += 1 / self.limit.size
            if call % complaint_every == complaint_every - 1:
                self.limit.overloaded(0)
            else:
                self.limit.served()


def drown(limit: AdaptiveLimit, ticket: int) -> None:
    """All calls that were open complain."""
    for _ in range(limit.size + 1):
        limit.overloaded(ticket)


def test_rounds_without_trouble_widen_it_fourfold_up_to_the_most() -> None:
    scene, sizes = Scene(150), []
    for _ in range(5):
        scene.serve_a_round()
        sizes.append(scene.limit.size)
    assert sizes == [4 * FIRST, 150, 150, 150, 150]


def test_a_complaint_now_and_then_costs_nothing() -> None:
    scene = Scene(256)
    scene.serve(4000, complaint_every=37)
    assert scene.limit.size == 256


def test_a_share_too_large_for_chance_and_too_small_for_overload_holds_it() -> None:
    scene = Scene(256)
    scene.serve(640, complaint_every=16)
    assert scene.limit.size == FIRST


def test_overload_cuts_it_by_the_share_refused_and_by_a_half_at_most() -> None:
    limit = AdaptiveLimit(FIRST)
    for _ in range(15):
        limit.served()
    for _ in range(5):
        limit.overloaded(0)
    assert limit.size == FIRST * 3 // 4
    drown(limit, 1)
    assert limit.size == FIRST * 3 // 8


def test_after_a_cut_it_goes_half_the_way_back_then_past_it_ever_faster() -> None:
    scene, sizes = Scene(1000), []
    scene.serve_a_round()
    drown(scene.limit, 0)
    for _ in range(10):
        scene.serve_a_round()
        sizes.append(scene.limit.size)
    assert sizes == [96, 112, 120, 124, 126, 127, 128, 130, 134, 142]


def test_it_finds_its_way_back_from_one_call_at_a_time() -> None:
    scene = Scene(64)
    for ticket in range(10):
        drown(scene.limit, ticket)
    assert scene.limit.size == 1
    for _ in range(10):
        scene.serve_a_round()
    assert scene.limit.size == 64


def test_complaints_about_calls_from_before_a_cut_do_not_cut_again() -> None:
    limit = AdaptiveLimit(64)
    for _ in range(50):
        limit.overloaded(0)
    assert limit.size == FIRST // 2


def test_it_does_not_grow_where_answers_slow_down_as_much_as_it_grows() -> None:
    scene = Scene(10_000)
    for _ in range(20):
        scene.serve_a_round(calls_per_s=100.0)
    assert scene.limit.size == REACH * FIRST
    for _ in range(20):
        scene.serve_a_round(calls_per_s=10.0 * scene.limit.size)
    assert scene.limit.size == 10_000


def test_the_best_rate_from_before_a_cut_does_not_hold_it_afterwards() -> None:
    scene = Scene(1000)
    scene.serve_a_round(calls_per_s=1e6)
    drown(scene.limit, 0)
    for _ in range(20):
        scene.serve_a_round()
    assert scene.limit.size == 1000


def test_no_call_is_opened_while_an_overloaded_endpoint_asks_for_a_pause() -> None:
    async def run() -> float:
        limit = AdaptiveLimit(1)
        limit.overloaded(0, pause_s=0.2)
        limit.overloaded(0, pause_s=0.2)
        started = time.monotonic()
        async with limit:
            return time.monotonic() - started

    assert asyncio.run(run()) >= 0.19


def test_no_more_are_open_than_it_says() -> None:
    async def run() -> int:
        limit, now, most = AdaptiveLimit(3), 0, 0

        async def call() -> None:
            nonlocal now, most
            async with limit:
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.001)
                now -= 1

        await asyncio.gather(*(call() for _ in range(50)))
        return most

    assert asyncio.run(run()) == 3


def sizes_while(server: Server, calls: int, most_open: int) -> list[int]:
    """The limit at the end of each of many calls, all of which have to be answered in the end."""

    async def run() -> list[int]:
        sizes, waiting = [], iter(range(calls))
        async with ChatClient(endpoint(server.url, most_open=most_open, timeout_s=30.0), first_pause_s=0.05) as client:

            async def work() -> None:
                for _ in waiting:
                    assert isinstance(await client.ask(MESSAGES), Reply)
                    sizes.append(client.limit.size)

            await asyncio.gather(*(work() for _ in range(most_open)))
        return sizes

    return asyncio.run(run())


def test_a_server_that_refuses_one_call_in_37_is_used_to_the_full() -> None:
    def answer(_: dict[str, Any], before: int) -> Said:
        return Said(status=429) if before % 37 == 36 else Said(delay_s=0.02)

    with serving(answer) as server:
        sizes = sizes_while(server, calls=600, most_open=64)
    assert statistics.mean(sizes[300:]) >= 60


def test_a_server_that_takes_eight_at_once_is_given_about_eight_and_refuses_little() -> None:
    refused = []

    def answer(_: dict[str, Any], before: int) -> Said:
        if server.open > 8:
            refused.append(before)
            return Said(status=429)
        return Said(delay_s=0.02)

    with serving(answer) as server:
        sizes = sizes_while(server, calls=500, most_open=64)
    assert 4 <= statistics.mean(sizes[250:]) <= 12
    assert len(refused) <= 250
