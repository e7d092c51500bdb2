import pytest

from agentworld_dag.benchmark.extraction import observation, predicted_observation
from agentworld_dag.trajectories.agentworldbench import OBSERVATION_MARKER as MARKER

TAGGED = "<predicted_observation>\nred\n~$\n</predicted_observation>"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("red\n~$", "red\n~$"),
        ("<think>\nhm\n</think>\n\nred\n~$", "red\n~$"),
        ("hm, the file\n</think>\n\nred\n~$", "red\n~$"),
        (f"{MARKER}\nred\n~$", "red\n~$"),
        (f"<think>a</think>\n{TAGGED}", "red\n~$"),
        ("<think>a</think>" + TAGGED.replace("\nred", f"\n{MARKER}"), "~$"),
        ("<predicted_observation>red", "red"),
    ],
)
def test_the_observation_is_what_follows_the_reasoning(written: str, found: str) -> None:
    assert predicted_observation(written) == found


@pytest.mark.parametrize(
    "text",
    [
        "<html><think>not reasoning</think></html>",
        f"cat note\n{MARKER} inside\n~$",
        "see <predicted_observation>x</predicted_observation> above",
        "```\nfence\n```",
    ],
)
def test_nothing_is_taken_out_of_the_middle(text: str) -> None:
    assert predicted_observation(text) == text
    assert observation(f"{MARKER}\n{text}") == text


@pytest.mark.parametrize("written", [MARKER, f"<think>a</think>\n{MARKER}\n", TAGGED.replace("red\n~$", "")])
def test_a_mark_with_nothing_behind_it_says_that_nothing_was_answered(written: str) -> None:
    assert predicted_observation(written) == ""


@pytest.mark.parametrize("written", ["<think>never ends", "<think>all</think>", "<think>all</think>\n \n", "", " \n"])
def test_without_an_observation_there_is_none(written: str) -> None:
    assert predicted_observation(written) is None
