import random

import pytest

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.trajectories.patch import apply, diff, format_state, parse_state

KEYS = ["a", "b", "docs/list", "docs/", "cwd", "with space", "ünï", "minus-inside", "0", "%2D", "A"]
VALUES = ["", "red", "red/blue", "%-", "a=b", "-gone", " ", "=", "\u2028", "🧨", "~/docs"]


def random_state(rng: random.Random) -> str:
    return format_state({key: rng.choice(VALUES) for key in rng.sample(KEYS, rng.randint(0, len(KEYS)))})


@pytest.mark.parametrize("seed", range(300))
def test_applying_the_difference_gives_the_other_state(seed):
    rng = random.Random(seed)
    before, after = random_state(rng), random_state(rng)
    assert apply(before, diff(before, after)) == after


@pytest.mark.parametrize("seed", range(50))
def test_equal_states_have_an_empty_patch(seed):
    state = random_state(random.Random(seed))
    assert diff(state, state) == ""
    assert apply(state, "") == state


@pytest.mark.parametrize("seed", range(50))
def test_a_state_text_is_canonical(seed):
    state = random_state(random.Random(seed))
    assert format_state(parse_state(state)) == state


def test_a_patch_shows_what_is_gone_first_then_what_is_new():
    assert diff("a=1\nb=2\ncwd=~", "b=3\nc=4\ncwd=~") == "-a\nb=3\nc=4"


def test_the_empty_state_has_no_facts():
    assert parse_state("") == {}
    assert apply("", "a=1") == "a=1"
    assert apply("a=1", "-a") == ""


@pytest.mark.parametrize("text", ["nonsense", "=value", "a=1\n", "\na=1", "a=1\n\nb=2"])
def test_a_damaged_state_names_its_line(text):
    with pytest.raises(TrajectoryError, match="is not `key=value`"):
        parse_state(text)


@pytest.mark.parametrize(
    "patch",
    ["nonsense", "=1", "-", "-unknown", "a=2\n", "\n", "-a\n-a", "-b=2", "- a", "<think>", "a:2"],
)
def test_a_hostile_patch_is_refused(patch):
    with pytest.raises(TrajectoryError, match="is neither `key=value` nor `-key`"):
        apply("a=1\ncwd=~", patch)


def test_a_refused_patch_changes_nothing():
    state = "a=1\ncwd=~"
    with pytest.raises(TrajectoryError):
        apply(state, "a=2\n-unknown")
    assert state == "a=1\ncwd=~"


def test_the_last_of_two_changes_wins():
    assert apply("a=1", "a=2\na=3") == "a=3"
