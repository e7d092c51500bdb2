import numpy as np
import pytest

from agentworld_dag.monitoring.champion import Champion, read_champion, reference_of
from agentworld_dag.monitoring.watch import Reference

CHAMPION = Champion(
    model="world-model",
    version=3,
    round="round-0002",
    seed=7,
    made={"simulator": "abc"},
    reference={"terminal": [0.9, 0.88]},
    decision="promoted",
    why="better",
    who="ada",
    previous=1,
)


def test_a_record_is_read_as_it_was_written():
    assert read_champion(CHAMPION.as_json()) == CHAMPION


def test_the_reference_of_a_domain_it_was_measured_in():
    assert CHAMPION.reference_in("terminal") == Reference("world-model-3", 0.9, 0.88)
    assert CHAMPION.reference_in("web") is None


def test_a_reference_is_below_the_mean_by_its_error():
    scores = np.random.default_rng(0).uniform(0.5, 1.0, 400)
    mean, low = reference_of({"terminal": scores.tolist()})["terminal"]
    assert mean == pytest.approx(scores.mean())
    assert low == pytest.approx(scores.mean() - 1.2816 * scores.std(ddof=1) / 20)


def test_a_single_episode_is_no_reference():
    assert reference_of({"terminal": [0.5]}) == {}
