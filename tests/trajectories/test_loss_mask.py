import pytest

from agentworld_dag.trajectories.loss_mask import KEEP, classify, kept_turns, mask_report
from agentworld_dag.trajectories.schema import Turn


@pytest.mark.parametrize(
    ("expected", "action", "observation"),
    [
        ("retrieval", "cat notes", "milk eggs bread butter"),
        ("expansion", "list red", "list red green gold"),
        ("action", "write a very long file of words", "done"),
        ("action", "alpha beta gamma", "alpha beta one two"),
        ("transform", "sort the following words please now", "words the"),
        ("boilerplate", "open alpha beta gamma", "open alpha now"),
        ("echo", "print alpha beta gamma", "print alpha beta gamma"),
        ("other", "a b c d e f", "a b x" + " " * 40),
    ],
)
def test_every_class_of_table_3(expected, action, observation):
    assert classify(action, observation) == expected


def test_echo_wins_over_boilerplate_and_transform():
    assert classify("print alpha beta gamma delta", "alpha beta gamma delta") == "echo"


def test_boilerplate_wins_over_transform():
    assert classify("open alpha beta gamma", "open alpha") == "boilerplate"


def test_expansion_wins_over_retrieval():
    assert classify("red", "red and many more words") == "expansion"


@pytest.mark.parametrize("action", ["", " ", "\n"])
@pytest.mark.parametrize("observation", ["", "~$", "a screen of words"])
def test_an_empty_action_stays_in_the_loss(action, observation):
    assert classify(action, observation) == "other"
    assert KEEP["other"] == 1.0


def test_an_observation_without_words_has_no_novelty():
    assert classify("mkdir docs", "~$") == "transform"
    assert classify("mkdir docs", "") == "transform"


def test_an_action_without_words_echoes_nothing():
    assert classify("$", "command not found") == "retrieval"


def test_short_moves_turns_only_between_classes_kept_in_full():
    action = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma"
    observation = "alpha beta gamma delta one two three four five" + " " * 60
    assert len(observation) > 80
    assert {classify(action, observation), classify(action, observation.strip())} == {"other", "action"}
    assert KEEP["other"] == KEEP["action"]


def test_words_are_compared_without_case_and_punctuation():
    assert classify("PRINT, Alpha; BETA!", "print: alpha (beta)") == "echo"


def test_the_decision_depends_on_id_turn_and_seed_only(episode):
    turns = (Turn("mkdir docs", "~$"),) * 400
    first = kept_turns(episode("a", turns=turns), seed=0)
    assert first == kept_turns(episode("a", turns=turns, failure="x"), seed=0)
    assert first[:100] == kept_turns(episode("a", turns=turns[:100]), seed=0)
    assert first != kept_turns(episode("b", turns=turns), seed=0)
    assert first != kept_turns(episode("a", turns=turns), seed=1)


@pytest.mark.parametrize(
    ("turn", "share"),
    [
        (Turn("print alpha beta", "print alpha beta"), KEEP["echo"]),
        (Turn("open alpha beta gamma", "open alpha"), KEEP["boilerplate"]),
        (Turn("mkdir docs", "~$"), KEEP["transform"]),
        (Turn("cat notes", "milk eggs bread butter"), KEEP["retrieval"]),
    ],
)
def test_classes_are_kept_at_their_share(episode, turn, share):
    kept = kept_turns(episode(turns=(turn,) * 4000), seed=3)
    assert sum(kept) / 4000 == pytest.approx(share, abs=0.03)


def test_a_turn_without_observation_is_never_kept(episode):
    assert kept_turns(episode(turns=(Turn("", None), Turn("cat notes", None))), seed=0) == (False, False)


def test_report_counts_turns_per_class_and_masked_shares(episode):
    turns = (Turn("cat notes", "milk eggs bread butter"), Turn("", "~$"), Turn("ls", None))
    report = mask_report([episode(turns=turns)], seed=0)
    assert sum(report["turns"].values()) == 3
    assert report["kept"]["retrieval"] == report["kept"]["other"] == 1
    assert report["masked_turn_share"] == pytest.approx(1 / 3)
    assert report["masked_char_share"] == 0.0


def test_report_of_nothing_is_zero():
    assert mask_report([], seed=0)["masked_char_share"] == 0.0
