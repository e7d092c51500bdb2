import asyncio

from agentworld_dag.environments.terminal import real_terminal
from agentworld_dag.evaluation.error_kind import error_kind
from agentworld_dag.evaluation.planted import Planted, answered, plant
from agentworld_dag.simulator.teacher_forced import Place
from agentworld_dag.trajectories.render import state_before
from tests.small_loop import make_trajectory, small_preset

PLACES = [Place(make_trajectory(i), i % 3) for i in range(6)]


def test_every_place_gets_one_action_of_each_class_and_the_same_ones_again() -> None:
    planted = plant(PLACES, seed=0)
    assert [one.action_class for one in planted] == ["malformed", "empty", "illegal"] * 6
    assert [one.action for one in planted] == [one.action for one in plant(PLACES, seed=0)]
    assert [one.action for one in planted] != [one.action for one in plant(PLACES, seed=1)]


def test_the_real_shell_refuses_what_is_planted_and_ignores_what_is_empty() -> None:
    terminal = real_terminal(small_preset().collection)

    async def ask() -> list[tuple[str, str]]:
        found = []
        for one in plant(PLACES, seed=0):
            place = await answered(terminal, one)
            assert place is not None
            found.append((one.action_class, error_kind(place.truth)))
        return found

    kinds = asyncio.run(ask())
    assert {kind for name, kind in kinds if name == "malformed"} == {"syntax"}
    assert {kind for name, kind in kinds if name == "empty"} == {"none"}
    assert "none" not in {kind for name, kind in kinds if name == "illegal"}


def test_a_planted_action_meets_the_true_state_and_history() -> None:
    place = Place(make_trajectory(0), 1)
    found = asyncio.run(answered(real_terminal(small_preset().collection), Planted("illegal", place, "cat memo note")))
    assert found is not None
    assert found.trajectory.turns[:1] == place.trajectory.turns[:1]
    assert state_before(found.trajectory, found.turn_index) == state_before(place.trajectory, place.turn_index)
    assert found.truth == "red\ncat: note: No such file or directory\n~[1]$"


def test_an_action_that_kills_the_shell_has_no_truth() -> None:
    place = Place(make_trajectory(0), 0)
    terminal = real_terminal(small_preset().collection)
    assert asyncio.run(answered(terminal, Planted("illegal", place, "exit 3"))) is None
