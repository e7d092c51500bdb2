"""What happens to a prompt that outgrows its context."""

from pathlib import Path

import pytest

from agentworld_dag.errors import ConfigError
from agentworld_dag.simulator.in_process import load_engine
from agentworld_dag.simulator.window import Window
from agentworld_dag.training.checkpoints import load_tokenizer
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.render import Message, prompt_messages
from agentworld_dag.trajectories.schema import SystemPrompt

ANSWER = 16
TURNS = [(f"echo red > file{number}", f"~$ {number}") for number in range(8)]


@pytest.fixture(scope="module")
def encoder(base: Path) -> ChatEncoder:
    return ChatEncoder(load_tokenizer(base / "checkpoint"))


def conversation(turns: list[tuple[str, str]]) -> list[Message]:
    return prompt_messages(SystemPrompt("", ""), "cwd=~\nlist=cat", turns, "cat list", "compact")


def window_for(encoder: ChatEncoder, turns: list[tuple[str, str]], spare: int = 0) -> Window:
    """In which a conversation of these turns just fits."""
    return Window(encoder.tokenizer, len(encoder.prompt(conversation(turns))) + ANSWER + spare)


def test_a_prompt_that_fits_is_left_alone(encoder: ChatEncoder) -> None:
    window, prompt = window_for(encoder, TURNS), encoder.prompt(conversation(TURNS))
    assert window.admit([prompt], ANSWER) == [prompt]
    assert window.counts == {"cut_prompts": 0, "unanswerable_prompts": 0}


@pytest.mark.parametrize("kept", [1, 3, 7])
@pytest.mark.parametrize("spare", [0, 3])
def test_the_oldest_turns_go_and_the_state_stays_as_if_they_had_never_been(
    encoder: ChatEncoder, kept: int, spare: int
) -> None:
    window = window_for(encoder, TURNS[-kept:], spare)
    assert window.admit([encoder.prompt(conversation(TURNS))], ANSWER) == [encoder.prompt(conversation(TURNS[-kept:]))]
    assert window.counts == {"cut_prompts": 1, "unanswerable_prompts": 0}


def test_where_the_state_and_the_last_action_do_not_fit_there_is_no_answer(encoder: ChatEncoder) -> None:
    window = window_for(encoder, [], spare=-1)
    prompts = [encoder.prompt(conversation(turns)) for turns in ([], TURNS)]
    assert window.admit(prompts, ANSWER) == [None, None]
    assert window.counts == {"cut_prompts": 0, "unanswerable_prompts": 2}


def test_answers_that_leave_no_room_are_one_clear_error(encoder: ChatEncoder) -> None:
    with pytest.raises(ConfigError, match="answers of up to 16 tokens leave no room for a prompt in a context of 16"):
        Window(encoder.tokenizer, 16).room(16)


def test_an_engine_answers_what_is_left_of_each_prompt_and_counts(base: Path, encoder: ChatEncoder) -> None:
    short, long = (encoder.prompt(conversation(turns)) for turns in (TURNS[-1:], TURNS))
    limit = len(short) + ANSWER
    engine = load_engine(base / "checkpoint", 0, limit)
    hopeless = encoder.prompt(prompt_messages(SystemPrompt("", ""), "red\n" * limit, [], "ls", "compact"))
    answers = engine.generate_batch([long, short, hopeless], ANSWER, 0.0)
    assert answers[0] == answers[1] and answers[2] == []
    assert engine.window.counts == {"cut_prompts": 1, "unanswerable_prompts": 1}
    sure = engine.log_probabilities([long, short, hopeless], [[5, 6]] * 3, ANSWER)
    assert sure[0] == pytest.approx(sure[1]) and sure[2] == [float("-inf")] * 2


def test_a_limit_beyond_what_the_model_was_made_for_is_not_believed(base: Path) -> None:
    own = load_engine(base / "checkpoint", 0).window.max_tokens
    assert load_engine(base / "checkpoint", 0, 10 * own).window.max_tokens == own
