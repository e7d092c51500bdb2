"""The client side against a fake server that answers with the engine of this process."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.errors import EndpointError
from agentworld_dag.serving import client
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.simulator import bundle
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.in_process import InProcessEngine, load_engine
from agentworld_dag.simulator.teacher_forced import Place
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.render import turn_messages
from tests.serving.fake_vllm import Choose, Fake, by_engine, faking, settings
from tests.small_loop import make_trajectory, small_preset

LENGTH = 12


@pytest.fixture(scope="module")
def local(base: Path) -> InProcessEngine:
    return load_engine(base / "checkpoint", 0)


@pytest.fixture
def served(base: Path, local: InProcessEngine) -> Callable[..., Any]:
    """Opens (engine, fake) with changed settings."""

    @contextmanager
    def build(choose: Choose | None = None, window: int = 1024, **changes: Any) -> Iterator[tuple[Engine, Fake]]:
        own = load_engine(base / "checkpoint", 0)
        with (
            faking(base / "checkpoint", choose or by_engine(own), window=window) as fake,
            open_engine(base / "checkpoint", 0, settings(url=fake.url, **changes)) as engine,
        ):
            yield engine, fake

    return build


@pytest.fixture
def prompts(local: InProcessEngine) -> list[list[int]]:
    encoder = ChatEncoder(local.tokenizer)
    places = [Place(make_trajectory(number), turn) for number in range(6) for turn in range(3)]
    return encoder.prompts(turn_messages(p.trajectory, p.turn_index, "history", "compact")[0] for p in places)


def test_greedy_answers_are_those_of_the_engine_in_this_process(served, local, prompts) -> None:
    with served() as (engine, _):
        assert engine.generate_batch(prompts, LENGTH, 0.0) == local.generate_batch(prompts, LENGTH, 0.0)


def test_log_probabilities_are_those_of_the_engine_in_this_process(served, local, prompts) -> None:
    answers = [[20 + i, 30, local.tokenizer.eos_token_id] for i in range(len(prompts))]
    with served() as (engine, _):
        found = engine.log_probabilities(prompts, answers, LENGTH)
    for mine, its in zip(local.log_probabilities(prompts, answers, LENGTH), found, strict=True):
        assert its == pytest.approx(mine, abs=1e-4)


def test_sampling_follows_the_seed_and_the_order_of_requests(served, prompts) -> None:
    with served() as (engine, _):

        def sample(seed: int) -> list[list[int]]:
            engine.seed(seed)
            return engine.generate_batch(prompts, LENGTH, 1.0) + engine.generate_batch(prompts[:1], LENGTH, 1.0)

        first = sample(1)
        assert first == sample(1) != sample(2)
        assert first[0] != first[-1], "the same prompt again is another draw"


def test_all_that_wait_are_sent_together_up_to_the_limit(served, prompts) -> None:
    async def ask_all(engine: Engine) -> list[list[int]]:
        return await asyncio.gather(*(engine.generate(prompt, 4, 1.0) for prompt in prompts))

    for at_once, expected in ((64, range(9, 19)), (2, range(2, 3))):
        with served(at_once=at_once) as (engine, fake):
            asyncio.run(ask_all(engine))
            asyncio.run(ask_all(engine))  # of another event loop
            assert fake.most_open in expected


def test_equal_greedy_prompts_are_asked_once_and_their_tokens_counted_once(served, prompts) -> None:
    with served() as (engine, fake):
        answers = engine.generate_batch([prompts[0]] * 3 + prompts[1:2], LENGTH, 0.0)
        assert answers[0] == answers[1] == answers[2] and len(fake.asked) == 2
        assert engine.tokens == sum(map(len, prompts[:2])) + len(answers[0]) + len(answers[3])


def test_what_is_asked_does_not_lean_on_the_defaults_of_a_server(served, prompts) -> None:
    with served() as (engine, fake):
        engine.generate_batch(prompts[:1], LENGTH, 0.7)
        asked = fake.asked[0]
    assert asked["model"] == "tiny" and asked["prompt"] == prompts[0] and asked["max_tokens"] == LENGTH
    assert (asked["temperature"], asked["top_p"], asked["top_k"], asked["min_p"]) == (0.7, 1.0, -1, 0.0)
    assert asked["stop_token_ids"] == [engine.tokenizer.eos_token_id] and asked["ignore_eos"]


def test_a_prompt_that_outgrows_the_server_is_cut_by_the_one_rule_and_counted(served, local, prompts) -> None:
    longest, answer = max(prompts, key=len), 8
    with served(window=len(longest) + answer) as (engine, fake):
        engine.generate_batch([longest], answer, 0.0)
        assert engine.window.max_tokens == len(longest) + answer - 1
        assert len(fake.asked[0]["prompt"]) < len(longest)
        assert engine.window.counts == {"cut_prompts": 1, "unanswerable_prompts": 0}


def test_a_gate_through_a_server_measures_what_one_in_this_process_does(stage, base, splits, local) -> None:
    inputs = {"world_model_rl": base, "trajectory_splits": splits}
    quick = small_preset().simulator.model_copy(update={"max_new_tokens": LENGTH})
    alone = bundle.work(stage("alone", inputs, simulator=quick))
    with faking(base / "checkpoint", by_engine(local)) as fake:
        asked = stage("asked", inputs, simulator=quick, serving=settings(url=fake.url))
        assert bundle.work(asked) == alone
        assert len(fake.asked) > 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, "too long"), r"tiny at http://127\.0\.0\.1:\d+/v1: HTTP 400: .*too long"),
        ((503, "busy"), "HTTP 503"),
        ({"text": "words"}, "gives no token ids; a vLLM server of 0.22 or later does"),
    ],
)
def test_an_answer_that_cannot_be_had_is_one_clear_error(served, prompts, monkeypatch, answer, said) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_S", 0.01)
    with served(lambda _: answer) as (engine, _), pytest.raises(EndpointError, match=said) as caught:
        engine.generate_batch(prompts, LENGTH, 0.0)
    assert "\n" not in str(caught.value)


def test_what_passes_is_tried_again(served, local, prompts, monkeypatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_S", 0.01)
    answer, refused = by_engine(local), []

    def choose(request: dict[str, Any]) -> Any:
        refused.append(1)
        return (503, "busy") if len(refused) < 3 else answer(request)

    with served(choose) as (engine, _):
        assert engine.generate_batch(prompts[:1], LENGTH, 0.0) == local.generate_batch(prompts[:1], LENGTH, 0.0)
