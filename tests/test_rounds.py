import pytest

from agentworld_dag.config import load_preset
from agentworld_dag.errors import ConfigError
from agentworld_dag.rounds import FIRST_ROUND, is_later, name_of, number_of
from tests.preset_file import write_preset


def test_names_and_numbers_are_two_ways_to_say_the_same():
    assert [number_of(name_of(number)) for number in (1, 2, 9999, 10000)] == [1, 2, 9999, 10000]
    assert not is_later(FIRST_ROUND)
    assert is_later("round-0002")


@pytest.mark.parametrize("name", ["", "round-2", "round-0000", "Round-0002", "round-0002 ", "nightly"])
def test_another_name_is_refused_with_what_was_expected(name):
    with pytest.raises(ConfigError, match=r"expected a name like round-0001"):
        number_of(name)


def test_a_later_round_has_the_preset_with_its_changes(tmp_path):
    path = write_preset(tmp_path / "p.yaml", later_rounds={"changes": {"sft": {"steps": 3}, "cpt": {"steps": 2}}})
    first, later = load_preset(path), load_preset(path, "round-0002")
    assert (first.sft.steps, later.sft.steps, later.cpt.steps) == (4, 3, 2)
    assert later.model == first.model
    assert later.sft.learning_rate == first.sft.learning_rate


def test_a_change_no_preset_could_have_is_refused_before_the_first_round(tmp_path):
    for changes in ({"sft": {"steps": 0}}, {"sft": {"stepz": 1}}, {"nothing": 1}):
        path = write_preset(tmp_path / "p.yaml", later_rounds={"changes": changes})
        with pytest.raises(ConfigError, match=r"p\.yaml"):
            load_preset(path)
