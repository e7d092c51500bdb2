"""The start of every model: a tokenizer and a randomly initialised Qwen3, a real checkpoint, or the champion.

    python -m agentworld_dag.training.base_model --config infra/presets/tiny.yaml --seed 0 \
        --input trajectory_splits=DIR --out DIR

With `model.checkpoint` set in the preset, that checkpoint is taken as it is,
from a folder or the hub. With an input `round_plan` that names a champion, its
weights and its tokenizer are taken as they are, and the preset's `model`
decides nothing here. Either is copied and never loaded: it may be larger than
this machine's memory.
"""

import json
from collections.abc import Iterator
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM

from agentworld_dag.lake.shared import pulled
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.checkpoints import copy_checkpoint, count_parameters, load_tokenizer, save_checkpoint
from agentworld_dag.training.hub import checkpoint_folder
from agentworld_dag.training.settings import Model
from agentworld_dag.training.tokenizer import ChatEncoder, train_tokenizer, untrained_tokenizer
from agentworld_dag.trajectories import agent_chat, render
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.round_plan import plan_of
from agentworld_dag.trajectories.schema import Trajectory


def work(stage: Stage) -> dict[str, Any]:
    champion, made = plan_of(stage.inputs).champion, stage.out / "checkpoint"
    if champion:
        copy_checkpoint(pulled(champion.world_model) / "checkpoint", made)
    elif given := stage.preset.model.checkpoint:
        copy_checkpoint(checkpoint_folder(given), made)
    else:
        save_checkpoint(*_untrained(stage), made)
    vocabulary = len(load_tokenizer(made))
    return {"parameters": count_parameters(made), "vocabulary": vocabulary, "from_champion": int(champion is not None)}


def random_model(size: Model, tokenizer: Any, seed: int) -> PreTrainedModel:
    """A seeded Qwen3 of the given size for the tokenizer's vocabulary."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden_size,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        head_dim=size.head_size,
        intermediate_size=size.feed_forward_size,
        max_position_embeddings=size.max_tokens,
        initializer_range=size.initial_scale,
        rope_parameters={"rope_type": "default", "rope_theta": size.rope_theta},
        tie_word_embeddings=size.tied_embeddings,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen3ForCausalLM(config)


def _untrained(stage: Stage) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    settings = stage.preset.model
    corpus = read_trajectories(stage.inputs["trajectory_splits"] / "cpt.parquet")
    tokenizer = train_tokenizer(corpus_texts(corpus, settings.template), settings.vocab_size, agent_phrases())
    return random_model(settings, tokenizer, stage.seed), tokenizer


def corpus_texts(trajectories: list[Trajectory], template: render.Template) -> Iterator[str]:
    """Conversations as the models will meet them: world-model turns, and tool calls of task episodes."""
    chat = ChatEncoder(untrained_tokenizer())
    for trajectory in trajectories:
        turn = len(trajectory.turns) // 2
        prompt, target = render.turn_messages(trajectory, turn, "history", template)
        yield chat.text([*prompt, target])
        if trajectory.task:
            turns = [(t.action, t.observation or "") for t in trajectory.turns]
            messages = agent_chat.episode_messages(json.loads(trajectory.task)["instruction"], turns)
            yield chat.text(messages, tools=agent_chat.TOOLS)


def agent_phrases() -> tuple[str, str]:
    """What every agent conversation repeats word for word: the tool prompt and the opening of a tool call."""
    chat = ChatEncoder(untrained_tokenizer())
    text = chat.text(agent_chat.episode_messages("", [("COMMAND", "")]), tools=agent_chat.TOOLS)
    system, _, talk = text.removeprefix("<|im_start|>system\n").partition("<|im_end|>")
    return system, talk.partition("<tool_call>")[2].partition("COMMAND")[0]


if __name__ == "__main__":
    run_stage(work)
