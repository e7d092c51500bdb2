"""Which of several processes this is."""

import pytest

from agentworld_dag.ranks import Ranks, of_this_process


def test_torchrun_says_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert of_this_process() == Ranks(rank=5, local_rank=1, count=8, nodes=2)


def test_without_it_a_process_is_alone() -> None:
    assert of_this_process() == Ranks(rank=0, local_rank=0, count=1, nodes=1)
