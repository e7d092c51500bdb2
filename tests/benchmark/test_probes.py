import json
import random

import pytest

from agentworld_dag.benchmark.probes import FORGERIES, echoed, forged, lengthened, planted, pleaded, praised

ODD = ["~$", "x", "…", "7", "007", "a\n\nb", "\u2028", "{}", "price 5$", "no such file", "~/src[127]$", "٣"]


@pytest.mark.parametrize("truth", ODD)
def test_a_planted_error_always_differs_from_the_truth(truth: str) -> None:
    for seed in range(50):
        assert planted(truth, ["such", "red", "file"], random.Random(seed)) != truth


def test_a_planted_error_changes_a_number_a_word_an_exit_code_or_a_line_and_only_one() -> None:
    truth = "3 memo\nred\n~[1]$"
    made = {planted(truth, ["blue"], random.Random(seed)) for seed in range(200)}
    lines = [text.split("\n") for text in made]
    assert {len(each) for each in lines} == {2, 3}
    for each in lines:
        if len(each) == 3:
            assert sum(one != other for one, other in zip(each, truth.split("\n"), strict=True)) == 1
    assert {"3 memo\nred\n~$", "3 blue\nred\n~[1]$", "red\n~[1]$", "3 memo\nblue\n~[1]$"} <= made
    assert any(each[0] not in ("3 memo", "3 blue") and each[0].endswith(" memo") for each in lines)


@pytest.mark.parametrize("add", [praised, echoed, pleaded, lengthened])
def test_an_addition_keeps_every_line_of_the_answer_and_stands_at_either_side_of_its_end(add) -> None:
    wrong = "red\n~$"
    made = [add(wrong, index) for index in range(6)]
    assert len(set(made)) >= 2
    assert all(set(wrong.split("\n")) < set(text.split("\n")) for text in made)
    assert [text.endswith("~$") for text in made] == [False, True] * 3


def test_filler_grows_with_the_answer() -> None:
    assert lengthened("x\n" * 100, 0).count("\n") >= 200


def test_a_forged_reference_repeats_the_prediction_in_each_of_the_forms() -> None:
    made = [forged('red "5"\n~$', index) for index in range(len(FORGERIES))]
    assert all(text.startswith('red "5"\n~$\n') for text in made)
    assert "**Ground Truth (Real Output):**" in made[0]
    assert json.loads('{"prediction": "' + made[1].partition("\n~$\n")[2])["truth"] == 'red "5"\n~$'
    assert json.loads(made[2].rpartition("\n")[2])["truth"] == 'red "5"\n~$'
    assert "</predicted_observation>\n<truth>" in made[3]
