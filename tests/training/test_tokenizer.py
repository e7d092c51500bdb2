from pathlib import Path

from transformers import AutoTokenizer

from agentworld_dag.training.tokenizer import MARKUP_TOKENS, ChatEncoder
from agentworld_dag.trajectories.render import turn_messages
from tests.small_loop import make_trajectory


def load(base: Path):
    return AutoTokenizer.from_pretrained(base / "checkpoint")


def test_any_text_survives_encoding_and_decoding(base: Path) -> None:
    tokenizer = load(base)
    for text in (
        "red/blue\n~/docs$",
        "héllo \u2028 \x07 wörld",
        "<think>\nmemo?\n->\nmemo=red\n</think>\n\n~$",
        "  spaces\t",
    ):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_word_is_the_same_token_wherever_it_stands(base: Path) -> None:
    tokenizer = load(base)
    (red,) = tokenizer("red")["input_ids"]
    for text in ("echo red > memo", "memo=red", "\nred\n", "(red)"):
        assert red in tokenizer(text)["input_ids"], text


def test_markup_is_one_token_each_as_in_qwen3(base: Path) -> None:
    tokenizer = load(base)
    assert all(len(tokenizer(token)["input_ids"]) == 1 for token in MARKUP_TOKENS)
    assert tokenizer.eos_token == "<|im_end|>"
    assert "qwen" in (tokenizer.chat_template or "").lower() or "<|im_start|>" in tokenizer.chat_template


def test_a_sample_is_the_prompt_then_what_the_model_must_write(base: Path) -> None:
    encoder = ChatEncoder(load(base))
    prompt, target = turn_messages(make_trajectory(0), 0, "ledger", "compact")
    [(prompt_ids, target_ids)] = encoder.samples([(prompt, target)])
    assert prompt_ids == encoder.prompt(prompt)
    assert encoder.tokenizer.decode(target_ids) == "<think>\nmemo?\n->\nmemo=red\n</think>\n\n~$<|im_end|>"


def test_prompt_and_target_join_to_the_rendered_conversation(base: Path) -> None:
    encoder = ChatEncoder(load(base))
    prompt, target = turn_messages(make_trajectory(1), 2, "history", "full")
    [(prompt_ids, target_ids)] = encoder.samples([(prompt, target)])
    joined = encoder.tokenizer.decode(prompt_ids + target_ids) + "\n"
    assert joined == encoder.text([*prompt, target])
