import json
import random
from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score

from agentworld_dag.benchmark.kappa import quadratic_kappa
from agentworld_dag.cli import main
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.training.judge import DIMENSIONS
from tests.benchmark.judged_rows import write

PLAN = Resampling(200, seed=0)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_quadratic_kappa_of_scikit_learn(seed: int) -> None:
    draw = random.Random(seed)
    first = [draw.randint(1, 5) for _ in range(60)]
    second = [min(5, max(1, score + draw.choice((-1, 0, 0, 1, 2)))) for score in first]
    found = quadratic_kappa(first, second, [str(index // 3) for index in range(60)], PLAN)
    assert found is not None
    assert found.value == pytest.approx(cohen_kappa_score(first, second, weights="quadratic", labels=[1, 2, 3, 4, 5]))
    assert found.low < found.value < found.high
    assert (found.n, found.clusters) == (60, 20)


def test_without_two_different_scores_there_is_none() -> None:
    assert quadratic_kappa([], [], [], PLAN) is None
    assert quadratic_kappa([3, 3], [3, 3], ["a", "b"], PLAN) is None


def test_judges_of_different_levels_agree_less_than_their_ranks() -> None:
    found = quadratic_kappa([1, 2, 3, 1, 2, 3], [3, 4, 5, 3, 4, 5], list("abcdef"), PLAN)
    assert found is not None
    assert 0 < found.value < 0.5


def rows(judge: str, *scores: int | None) -> list[dict]:
    return [
        {"task": "terminal", "id": index, "turn_idx": 1, "judge": judge, "failed": 0.0 if score else 1.0}
        | (dict.fromkeys(DIMENSIONS, score) if score else {})
        for index, score in enumerate(scores)
    ]


def test_agree_pairs_the_samples_that_both_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.jsonl", rows("a", 1, 2, 3, 4, 5, None))
    write(tmp_path / "b.jsonl", rows("b", 1, 2, 3, 4, None, 5))
    line = ["bench", "agree", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    assert main([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {*DIMENSIONS, "total"}
    assert {each["value"] for each in found.values()} == {1.0}
    assert {each["n"] for each in found.values()} == {4}
    assert main(line) == 0
    assert "total        1.000 [1.000, 1.000]" in capsys.readouterr().out


def test_agree_without_a_shared_judgement_is_one_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.jsonl", rows("a", 1, None))
    write(tmp_path / "b.jsonl", rows("b", None, 1))
    assert main(["bench", "agree", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]) == 1
    assert "share no sample (task, id, turn_idx) that both judged" in caplog.text
