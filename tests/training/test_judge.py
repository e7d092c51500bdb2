import json

import pytest

from agentworld_dag.training.judge import DIMENSIONS, parse_rubric

FIVES = json.dumps(dict.fromkeys(DIMENSIONS, 5))


def test_the_scores_are_read_from_the_text_around_them() -> None:
    assert parse_rubric(f"Here: {FIVES} as asked") == dict.fromkeys(DIMENSIONS, 5)


@pytest.mark.parametrize("text", ["{}", '{"format": 6}', FIVES.replace("5", "4.5"), FIVES.replace("5", "true"), "five"])
def test_anything_but_five_integers_in_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rubric(text)
