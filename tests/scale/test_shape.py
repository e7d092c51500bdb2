"""Parameters by formula against the models that transformers builds, on the meta device: no weight is allocated."""

from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    PreTrainedConfig,
    Qwen3_5MoeTextConfig,
    Qwen3Config,
    Qwen3MoeConfig,
)

from agentworld_dag.config import load_preset
from agentworld_dag.home import preset_path
from agentworld_dag.scale.shape import parameters
from agentworld_dag.training.settings import Model

QWEN3_30B_A3B: dict[str, Any] = {
    **{"vocab_size": 151936, "hidden_size": 2048, "layers": 48, "heads": 32, "kv_heads": 4, "head_size": 128},
    **{"feed_forward_size": 768, "tied_embeddings": False, "checkpoint": "/models/Qwen3-30B-A3B"},
    "experts": {"count": 128, "active": 8, "shared_feed_forward_size": 0},
}
"""Of its public config."""


def shape(**changes: Any) -> Model:
    return Model.model_validate(load_preset(preset_path("tiny")).model.model_dump() | changes)


def built(model: Model) -> int:
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(config_of(model))
    return sum(weights.numel() for weights in made.parameters())


def config_of(model: Model) -> PreTrainedConfig:
    sizes = {
        "vocab_size": model.vocab_size,
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_size,
        "tie_word_embeddings": model.tied_embeddings,
    }
    if model.experts is None:
        return Qwen3Config(**sizes, intermediate_size=model.feed_forward_size)
    sizes |= {
        "num_experts": model.experts.count,
        "num_experts_per_tok": model.experts.active,
        "moe_intermediate_size": model.feed_forward_size,
    }
    if (linear := model.linear_attention) is None:
        return Qwen3MoeConfig(**sizes)
    return Qwen3_5MoeTextConfig(
        **sizes,
        shared_expert_intermediate_size=model.experts.shared_feed_forward_size,
        layer_types=[
            "linear_attention" if (layer + 1) % linear.full_every else "full_attention" for layer in range(model.layers)
        ],
        linear_num_key_heads=linear.key_heads,
        linear_num_value_heads=linear.value_heads,
        linear_key_head_dim=linear.head_size,
        linear_value_head_dim=linear.head_size,
        linear_conv_kernel_dim=linear.kernel,
    )


@pytest.mark.parametrize("preset", ["tiny", "tiny-wide", "small", "base", "large"])
def test_every_preset_counts_what_transformers_builds(preset):
    model = load_preset(preset_path(preset)).model
    assert parameters(model).total == built(model)


@pytest.mark.parametrize(
    "changes",
    [
        {"tied_embeddings": False},
        {"kv_heads": 1},
        {"kv_heads": 2, "head_size": 48, "layers": 3},
        QWEN3_30B_A3B,
        QWEN3_30B_A3B | {"layers": 3, "tied_embeddings": True},
    ],
)
def test_so_does_every_other_shape(changes):
    assert parameters(shape(**changes)).total == built(shape(**changes))


def test_qwen3_5s_own_config_is_the_base_preset():
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(Qwen3_5MoeTextConfig())
    found = sum(weights.numel() for weights in made.parameters())
    assert parameters(load_preset(preset_path("base")).model).total == found


@pytest.mark.parametrize(
    ("model", "total", "active"),
    [
        (load_preset(preset_path("small")).model, "596.0 M", "596.0 M"),
        (shape(**QWEN3_30B_A3B), "30532.1 M", "3353.0 M"),  # published: 30.5 B and 3.3 B
        (load_preset(preset_path("base")).model, "34660.6 M", "3455.0 M"),  # published: 34.66 B and 3 B
        (load_preset(preset_path("large")).model, "396346.4 M", "17349.0 M"),  # published: 397 B and 17 B
    ],
)
def test_published_totals(model, total, active):
    found = parameters(model)
    assert (f"{found.total / 1e6:.1f} M", f"{found.active / 1e6:.1f} M") == (total, active)


def test_a_token_of_a_dense_model_meets_all_of_it():
    tied, apart = parameters(shape()), parameters(shape(tied_embeddings=False))
    assert tied.active == tied.total == tied.multiplied
    assert apart.active == apart.total
    assert apart.multiplied == tied.multiplied


def test_the_largest_layer_is_one_of_the_layers():
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(config_of(shape()))
    layer = sum(weights.numel() for weights in made.model.layers[0].parameters())
    assert parameters(shape()).largest_layer == layer
