from collections import Counter
from pathlib import Path

import pytest

from agentworld_dag.benchmark.questions import PROBES, questions
from agentworld_dag.benchmark.samples import read_benchmark
from agentworld_dag.errors import EvaluationError
from tests.benchmark.test_samples import row, write
from tests.benchmark.trial_samples import trial_samples


def test_each_sample_makes_thirteen_questions_with_keys_of_their_own(tmp_path: Path) -> None:
    asked = questions(trial_samples(tmp_path), 10, 0)
    assert len({each.key for each in asked}) == len(asked) == 130
    assert set(Counter(each.kind for each in asked).values()) == {10}


def test_questions_are_the_same_for_a_seed_and_others_for_another(tmp_path: Path) -> None:
    samples = trial_samples(tmp_path)
    assert questions(samples, 10, 3) == questions(samples[::-1], 10, 3)
    assert questions(samples, 10, 3) != questions(samples, 10, 4)


def test_gold_is_the_truth_and_wrong_is_another_truth_that_every_probe_holds(tmp_path: Path) -> None:
    samples = trial_samples(tmp_path)
    by_key = {each.key: each for each in questions(samples, 10, 0)}
    truths = {sample.truth for sample in samples}
    for (domain, name, turn), each in by_key.items():
        kind, _, trajectory = name.partition("/")
        wrong = by_key[domain, f"wrong/{trajectory}", turn].prediction
        if kind.startswith("gold"):
            assert each.prediction == each.truth
        if kind.startswith("wrong"):
            assert each.prediction in truths - {each.truth}
        if kind.startswith("planted"):
            assert each.prediction != each.truth
        if kind in PROBES:
            assert set(wrong.split("\n")) < set(each.prediction.split("\n"))


def test_what_is_asked_again_or_swapped_is_otherwise_the_same(tmp_path: Path) -> None:
    by_key = {each.key: each for each in questions(trial_samples(tmp_path), 10, 0)}
    for (domain, name, turn), each in by_key.items():
        kind, _, trajectory = name.partition("/")
        first, _, how = kind.partition("-")
        assert each.prediction == by_key[domain, f"{first}/{trajectory}", turn].prediction
        assert each.prediction_first == (how == "swapped")


def test_a_truth_is_drawn_once_and_a_wrong_answer_stays_in_its_domain(tmp_path: Path) -> None:
    write(tmp_path, "terminal", *(row(id=i, response=["a", "red" if i % 2 else "blue", "c"]) for i in range(6)))
    write(tmp_path, "web", *(row("web", id=i, response=["a", "page" if i % 2 else "form", "c"]) for i in range(6)))
    asked = [each for each in questions(read_benchmark(tmp_path).samples, 50, 0) if each.kind == "wrong"]
    pairs = {"red": "blue", "blue": "red", "page": "form", "form": "page"}
    assert {each.truth: each.prediction for each in asked} == pairs
    assert len(asked) == 4


def test_samples_that_share_one_truth_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "terminal", *(row(id=i) for i in range(3)))
    with pytest.raises(EvaluationError, match="3 samples hold no domain with two different observations"):
        questions(read_benchmark(tmp_path).samples, 10, 0)
