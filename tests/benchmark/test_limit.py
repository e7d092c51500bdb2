import asyncio

from agentworld_dag.benchmark.limit import FIRST, AdaptiveLimit


def test_it_doubles_a_round_until_the_first_complaint_then_creeps() -> None:
    limit = AdaptiveLimit(64)
    for size in (FIRST * 2, FIRST * 4):
        for _ in range(limit.size):
            limit.served()
        assert limit.size == size
    limit.overloaded(0)
    assert limit.size == FIRST * 2
    for _ in range(FIRST * 2 + 1):
        limit.served()
    assert limit.size == FIRST * 2 + 1


def test_complaints_about_calls_from_before_a_cut_do_not_cut_again() -> None:
    limit = AdaptiveLimit(64)
    for _ in range(28):
        limit.served()
    for _ in range(10):
        limit.overloaded(0)
    assert limit.size == 16
    limit.overloaded(1)
    assert limit.size == 8


def test_it_never_leaves_its_bounds() -> None:
    limit = AdaptiveLimit(6)
    for _ in range(100):
        limit.served()
    assert limit.size == 6
    for ticket in range(100):
        limit.overloaded(ticket)
    assert limit.size == 1


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
