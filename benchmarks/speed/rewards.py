"""A reward for models that have learned nothing."""

from typing import Any


def odd_sums(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """As TRL calls it: 1 where the sum of the ids is odd.

    Random weights earn nothing from the real reward, and our trainer passes over groups that all earned the same: it
    would be timed at work that it leaves out.
    """
    return [float(sum(ids) % 2) for ids in completion_ids]
