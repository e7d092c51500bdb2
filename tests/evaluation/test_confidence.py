from pathlib import Path

import pytest
import torch

from agentworld_dag.evaluation.confidence import agreement, likelihoods
from agentworld_dag.simulator.in_process import InProcessEngine, load_engine
from tests.small_loop import base, splits

__all__ = ["base", "splits"]


@pytest.fixture(scope="module")
def engine(base: Path) -> InProcessEngine:
    return load_engine(base / "checkpoint", seed=0)


def test_a_likelihood_is_the_product_of_what_the_model_gives_each_token_and_the_end(engine: InProcessEngine) -> None:
    prompts, answers = [[5, 6, 7], [8, 9, 10, 11, 12, 13]], [[20, 21, 22], [30]]
    found = likelihoods(engine, prompts, answers, max_new_tokens=8)
    for prompt, answer, likelihood in zip(prompts, answers, found, strict=True):
        expected = 1.0
        given = [*answer, engine.tokenizer.eos_token_id]
        for i, token in enumerate(given):
            logits = engine.model(torch.tensor([prompt + given[:i]])).logits[0, -1]
            expected *= logits.float().softmax(-1)[token].item()
        assert likelihood.answer == pytest.approx(expected, rel=1e-3)
        assert likelihood.token == pytest.approx(expected ** (1 / len(given)), rel=1e-3)


def test_an_answer_that_ran_out_of_room_has_no_end_token(engine: InProcessEngine) -> None:
    cut, whole = (likelihoods(engine, [[5, 6]], [[20, 21]], limit)[0] for limit in (2, 3))
    assert cut.answer > whole.answer


def test_answers_keep_their_order_over_several_batches(engine: InProcessEngine) -> None:
    prompts = [[5] * (1 + i % 7) for i in range(10)]
    answers = [[20 + i] for i in range(10)]
    alone = [likelihoods(engine, [p], [a], 4)[0].answer for p, a in zip(prompts, answers, strict=True)]
    engine.max_batch = 3
    assert [one.answer for one in likelihoods(engine, prompts, answers, 4)] == pytest.approx(alone, rel=1e-3)


def test_nothing_agrees_with_an_unusable_answer() -> None:
    assert agreement("~$", ["~$", None, "~$", "red\n~$"]) == 0.5
    assert agreement(None, [None, None]) == 0
