import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch

from agentworld_dag.simulator.in_process import InProcessEngine, load_engine


@pytest.fixture(scope="module")
def engine(base: Path) -> InProcessEngine:
    return load_engine(base / "checkpoint", seed=0)


def prompts(engine: InProcessEngine) -> list[list[int]]:
    texts = ("cat memo", "echo red > memo", "ls", "cat memo\ncat list\ncat note")
    return [list(engine.tokenizer(text)["input_ids"]) for text in texts]


def test_greedy_answers_are_those_of_the_library(engine: InProcessEngine) -> None:
    answers = engine.generate_batch(prompts(engine), max_new_tokens=6, temperature=0.0)
    for prompt, answer in zip(prompts(engine), answers, strict=True):
        model: Any = engine.model
        whole = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=6,
            do_sample=False,
        )
        expected = whole[0, len(prompt) :].tolist()
        assert (
            answer == expected[: expected.index(engine.tokenizer.eos_token_id)]
            if engine.tokenizer.eos_token_id in expected
            else expected
        )


def test_a_batch_answers_each_prompt_as_if_alone(engine: InProcessEngine) -> None:
    together = engine.generate_batch(prompts(engine), 6, 0.0)
    alone = [engine.generate_batch([prompt], 6, 0.0)[0] for prompt in prompts(engine)]
    assert together == alone


def test_tokens_of_prompts_and_answers_are_counted_once_where_one_answer_serves_two(engine: InProcessEngine) -> None:
    before, asked = engine.tokens, prompts(engine)
    answers = engine.generate_batch([*asked, asked[0]], 6, 0.0)
    assert engine.tokens - before == sum(map(len, asked)) + sum(map(len, answers[:-1]))


def test_sampling_follows_the_seed(engine: InProcessEngine) -> None:
    def sample(seed: int) -> list[list[int]]:
        engine.seed(seed)
        return engine.generate_batch(prompts(engine), 8, 1.0)

    assert sample(1) == sample(1) != sample(2)


def test_waiting_requests_become_one_batch(engine: InProcessEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = InProcessEngine.generate_batch

    def counting(self: InProcessEngine, asked: list[list[int]], *settings: Any) -> list[list[int]]:
        sizes.append(len(asked))
        return real(self, asked, *settings)

    monkeypatch.setattr(InProcessEngine, "generate_batch", counting)

    async def ask_all() -> list[list[int]]:
        return await asyncio.gather(*(engine.generate(prompt, 4, 0.0) for prompt in prompts(engine)))

    answers = asyncio.run(ask_all())
    assert sizes == [4]
    assert answers == real(engine, prompts(engine), 4, 0.0)


def test_a_failure_reaches_everyone_who_waits(engine: InProcessEngine) -> None:
    async def ask() -> list[object]:
        return await asyncio.gather(*(engine.generate([10**9], 4, 0.0) for _ in range(2)), return_exceptions=True)

    assert all(isinstance(answer, Exception) for answer in asyncio.run(ask()))
