"""Many calls to one endpoint, each result kept as it comes.

The first call goes alone: an endpoint that refuses all is met once, not once a
sample. When nobody answers any more the rest is not tried.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentworld_dag.benchmark.progress import progress_bar
from agentworld_dag.benchmark.results import ResultsFile
from agentworld_dag.benchmark.samples import Key
from agentworld_dag.endpoints.client import ChatClient, Endpoint, Refusal, Reply
from agentworld_dag.errors import EndpointError

if TYPE_CHECKING:
    from tqdm import tqdm


@dataclass(frozen=True)
class Call:
    """One sample's call; its messages are made when its turn comes, since a history is long."""

    key: Key
    messages: Callable[[], list[dict[str, str]]]


ToRow = Callable[[Call, Reply | Refusal], dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """What the workers of one run share."""

    waiting: Iterator[Call]
    client: ChatClient
    results: ResultsFile
    to_row: ToRow
    bar: "tqdm[Any]"
    fatal: list[str]
    """Why the endpoint is unusable; empty while it is not."""


def make_calls(calls: Sequence[Call], endpoint: Endpoint, results: ResultsFile, to_row: ToRow, what: str) -> None:
    """Raises EndpointError when the endpoint is unusable; what was answered until then is in `results`."""
    asyncio.run(_make_calls(calls, endpoint, results, to_row, what))


async def _make_calls(
    calls: Sequence[Call], endpoint: Endpoint, results: ResultsFile, to_row: ToRow, what: str
) -> None:
    with progress_bar(what, len(calls), "call") as bar:
        async with ChatClient(endpoint) as client:
            run = Run(iter(calls), client, results, to_row, bar, [])
            for call in itertools.islice(run.waiting, 1):
                await _make(run, call)
            await asyncio.gather(*(_work(run) for _ in range(endpoint.most_open)))
    if run.fatal:
        raise EndpointError(
            f"{endpoint.model} at {endpoint.url}: {run.fatal[0]}; {bar.n} of {len(calls)} calls were made and are kept "
            f"in {results.path}. Mend it and run again to go on"
        )


async def _work(run: Run) -> None:
    while not run.fatal and (call := next(run.waiting, None)):
        await _make(run, call)


async def _make(run: Run, call: Call) -> None:
    found = await run.client.ask(call.messages())
    if isinstance(found, Refusal) and found.fatal:
        run.fatal.append(found.cause)
        return
    run.results.add(run.to_row(call, found))
    run.bar.set_postfix(at_once=run.client.limit.size, refresh=False)
    run.bar.update()
