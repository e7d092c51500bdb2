from types import SimpleNamespace
from typing import Any

import pytest
from trl.trainer.grpo_trainer import GRPOTrainer

from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.training.tokenizer import training_template
from agentworld_dag.trajectories.agent_chat import TOOLS, observation_message, task_messages

CALL = '<tool_call>\n{"name": "bash", "arguments": {"command": "echo \\"a b\\" > x"}}\n</tool_call>'


def ids(encoder: AgentEncoder, text: str) -> list[int]:
    return list(encoder.tokenizer(text)["input_ids"])


@pytest.fixture
def trl(encoder: AgentEncoder) -> Any:
    """As much of TRL's trainer as its own tokenisation needs."""
    return SimpleNamespace(
        processing_class=encoder.tokenizer,
        _tokenizer=encoder.tokenizer,
        chat_template=training_template(encoder.tokenizer),
        chat_template_kwargs={"enable_thinking": False},
        environment_factories={None: None},
        _batch_environments=[None],
        _env_tools={None: TOOLS},
        _is_vlm=False,
    )


def test_prompts_are_those_of_trl(encoder: AgentEncoder, trl: Any) -> None:
    theirs = GRPOTrainer._tokenize_prompts(trl, [task_messages("delete memo")])[0]
    assert [encoder.prompt("delete memo")] == theirs


def test_tool_answers_are_those_of_trl(encoder: AgentEncoder, trl: Any) -> None:
    messages = [observation_message("red\n~$"), observation_message("~[1]$")]
    for heard in (messages[:1], messages):
        assert encoder.answer(heard) == GRPOTrainer._get_tool_suffix_ids(trl, heard)


def test_a_demonstration_is_what_a_rollout_of_the_same_words_would_be(encoder: AgentEncoder) -> None:
    shown = encoder.demonstration("delete memo", [('echo "a b" > x', "~$")])
    said = [[*ids(encoder, text), encoder.end] for text in (CALL, "done")]
    played = encoder.prompt("delete memo") + said[0] + encoder.answer([observation_message("~$")]) + said[1]
    assert shown.input_ids[: len(played)] == played


def test_loss_is_on_what_the_agent_says_only(encoder: AgentEncoder) -> None:
    shown = encoder.demonstration("delete memo", [("cat note", "blue\n~$")])
    learned = encoder.tokenizer.decode([label for label in shown.labels if label >= 0])
    assert "cat note" in learned and "done" in learned
    assert "blue" not in learned and "delete" not in learned


def test_the_constant_part_of_a_prompt_is_one_token(encoder: AgentEncoder) -> None:
    prompt = encoder.prompt("x")
    assert len(prompt) < 25
    assert '"name": "bash"' in encoder.tokenizer.decode(prompt)


def test_a_call_is_read_with_its_quotes(encoder: AgentEncoder) -> None:
    speech = encoder.speech(ids(encoder, f"{CALL}<|im_end|>"))
    assert speech.commands == ('echo "a b" > x',) and not speech.invalid


def test_a_plain_message_asks_for_nothing(encoder: AgentEncoder) -> None:
    speech = encoder.speech(ids(encoder, "done<|im_end|>"))
    assert speech.commands == () and not speech.invalid and speech.message["content"] == "done"


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        "done",
        f"{CALL.replace('bash', 'python')}<|im_end|>",
        f"{CALL.replace('command', 'cmd')}<|im_end|>",
        '<tool_call>\n{"name": "bash", "arguments": {"command": 3}}\n</tool_call><|im_end|>',
        '<tool_call>\n{"name": "bash", "arguments": "ls"}\n</tool_call><|im_end|>',
        '<tool_call>\n{"name": "bash"\n</tool_call><|im_end|>',
        f"{CALL}<tool_call>\nls\n</tool_call><|im_end|>",
    ],
    ids=["call cut off", "words cut off", "tool", "argument", "type", "shape", "json", "one of two"],
)
def test_what_cannot_be_carried_out_is_invalid(encoder: AgentEncoder, text: str) -> None:
    speech = encoder.speech(ids(encoder, text))
    assert speech.invalid and speech.commands == ()
