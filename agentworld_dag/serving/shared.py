"""One server for all processes of a node that train together: each would take the node's GPUs otherwise.

The first process of a node starts it and tells the others where it is. It lives
until all are done with it, or until one of them fails, which ends them all.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from agentworld_dag.errors import AgentWorldError
from agentworld_dag.ranks import Ranks
from agentworld_dag.serving.server import Server, serving, unknown
from agentworld_dag.serving.settings import Serving


@contextmanager
def shared(checkpoint: Path, settings: Serving, ranks: Ranks) -> Iterator[Server]:
    """`server.serving` for all processes of a node. All have to call, and all raise what one of them raises."""
    with ExitStack() as until_done:
        own = _opened(until_done, checkpoint, settings) if ranks.local_rank == 0 else None
        offered = ranks.each(replace(own, ended=unknown) if isinstance(own, Server) else own)
        if failed := next((each for each in offered if isinstance(each, AgentWorldError)), None):
            raise failed
        found = own or offered[ranks.rank - ranks.local_rank]
        assert isinstance(found, Server)
        yield found
        ranks.meet()


def _opened(until_done: ExitStack, checkpoint: Path, settings: Serving) -> Server | AgentWorldError:
    try:
        return until_done.enter_context(serving(checkpoint, settings))
    except AgentWorldError as error:
        return error
