"""A byte-level BPE tokenizer trained on the corpus, in Qwen3's clothes.

It carries Qwen3's special tokens and the chat template TRL ships for Qwen3,
so a real Qwen3 checkpoint drops into the same scripts. A word is never glued
to its neighbours' punctuation or space: "red" is one token after `echo `, `=`
and a newline alike, which is what lets a tiny model learn to copy.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import trl
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from trl.chat_template_utils import get_training_chat_template

CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
NO_THOUGHT = "<think>\n\n</think>\n\n"
"""What the template puts before an answer without reasoning. One token, so that the answer is cut into the same ids
after a prompt that ends here as inside a conversation."""
MARKUP_TOKENS = (
    NO_THOUGHT,
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
)
WORD_OR_NOT = r"[A-Za-z0-9]+|[^A-Za-z0-9]+"


def train_tokenizer(texts: Iterable[str], vocab_size: int, phrases: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `vocab_size` entries, learned from rendered `texts`.

    Each of `phrases`, text that is always the same, becomes one token: a tiny model need not read it word by word.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD_OR_NOT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    whole = (*phrases, *MARKUP_TOKENS)
    size = vocab_size - len(CONTROL_TOKENS) - len(whole)
    tokenizer.train_from_iterator(
        _without(chain(phrases, CONTROL_TOKENS, MARKUP_TOKENS), texts),
        trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in whole])
    return _dress_as_qwen3(tokenizer)


def _without(whole: Iterable[str], texts: Iterable[str]) -> Iterator[str]:
    """Whole tokens split text before BPE sees it, in training as in use."""
    whole = tuple(whole)
    for text in texts:
        for token in whole:
            text = text.replace(token, "\0")
        yield from text.split("\0")


def untrained_tokenizer() -> PreTrainedTokenizerFast:
    """Renders chats before there is a vocabulary; encodes nothing."""
    return _dress_as_qwen3(Tokenizer(models.BPE()))


def _dress_as_qwen3(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    dressed = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    dressed.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text()
    return dressed


def training_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """TRL's prefix-preserving variant of the tokenizer's own chat template; None keeps its own."""
    return get_training_chat_template(tokenizer)


class ChatEncoder:
    """Token ids of chat messages under the training template, for any Qwen3 tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer: Any = tokenizer  # its annotations are unions that no call narrows
        self._template = training_template(tokenizer)

    def text(self, messages: Sequence[dict[str, Any]], **options: Any) -> str:
        """The rendered string. Options as of `apply_chat_template`."""
        return str(
            self.tokenizer.apply_chat_template(list(messages), tokenize=False, chat_template=self._template, **options)
        )

    def prompt(self, messages: Sequence[dict[str, Any]], thinking: bool = True) -> list[int]:
        """Ids up to where the assistant starts to write; without thinking its empty block is already there."""
        return self.ids(self.text(messages, add_generation_prompt=True, enable_thinking=thinking))

    def samples(
        self, turns: Iterable[tuple[Sequence[dict[str, Any]], dict[str, Any]]]
    ) -> list[tuple[list[int], list[int]]]:
        """(prompt ids, target ids) of (prompt, target) messages.

        The target ends with the end token and is tokenised on its own, as it is generated.
        """
        starts, ends = [], []
        for prompt, target in turns:
            start = self.text(prompt, add_generation_prompt=True)
            starts.append(start)
            ends.append(self.text([*prompt, target])[len(start) :].removesuffix("\n"))
        return list(zip(self._batch(starts), self._batch(ends), strict=True))

    def prompts(self, conversations: Iterable[Sequence[dict[str, Any]]], thinking: bool = True) -> list[list[int]]:
        """`prompt` of many conversations at once."""
        return self._batch(
            [self.text(messages, add_generation_prompt=True, enable_thinking=thinking) for messages in conversations]
        )

    def masked(self, messages: Sequence[dict[str, Any]], **options: Any) -> tuple[list[int], list[int]]:
        """(ids, 1 where the assistant speaks) of a whole conversation."""
        encoded = self.tokenizer.apply_chat_template(
            list(messages), chat_template=self._template, return_dict=True, return_assistant_tokens_mask=True, **options
        )
        return list(encoded["input_ids"]), list(encoded["assistant_masks"])

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _batch(self, texts: list[str]) -> list[list[int]]:
        return list(self.tokenizer(texts, add_special_tokens=False)["input_ids"]) if texts else []
