"""The processes that make one artifact together: which of them this is, and what they agree on.

`agentworld_dag.launch` starts them. The first one speaks for all: it alone holds
the folder's lock, logs, and records the result. Without that launcher a stage is
one process, and nothing here loads torch.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

PATIENCE = timedelta(hours=2)
"""How long the others wait for one that fetches inputs or publishes a checkpoint."""

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    rank: int = 0
    local_rank: int = 0
    """Among those of the same node."""
    count: int = 1
    nodes: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def meet(self) -> None:
        """Wait until all processes are here."""
        self.told(None)

    def told(self, value: T) -> T:
        """What the first process has called this with. All have to call."""
        return self.each(value)[0]

    def each(self, value: T) -> list[T]:
        """What every process has called this with. All have to call."""
        return [value] if self.count == 1 else _gathered(value)


def of_this_process() -> Ranks:
    """As torchrun has put it into the environment."""
    rank, local_rank = (int(os.environ.get(name, 0)) for name in ("RANK", "LOCAL_RANK"))
    count = int(os.environ.get("WORLD_SIZE", 1))
    return Ranks(rank, local_rank, count, count // int(os.environ.get("LOCAL_WORLD_SIZE", count)))


def _gathered(value: T) -> list[T]:
    import torch
    from accelerate import PartialState
    from accelerate.utils import gather_object

    PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    return gather_object([value])
