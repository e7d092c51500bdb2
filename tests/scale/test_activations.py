"""The count of activations against what autograd really keeps, of transformers' Qwen3 with fused attention."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from agentworld_dag.scale.activations import kept_per_token, recomputed_per_token
from agentworld_dag.training.settings import Model
from tests.scale.test_shape import config_of, shape

TOKENS = 64


def kept(model: Model, autocast: bool) -> int:
    """Bytes of the storages that a forward pass leaves for its backward pass, the parameters' own left out."""
    dtype = torch.float32 if autocast else torch.bfloat16
    made = AutoModelForCausalLM.from_config(config_of(model), attn_implementation="sdpa").to(dtype)
    parameters = {weights.untyped_storage().data_ptr() for weights in made.parameters()}
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = storage  # held, so that no other gets its place
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast),
    ):
        hidden = made.base_model(torch.zeros((1, TOKENS), dtype=torch.long), use_cache=False).last_hidden_state
    assert hidden.requires_grad
    return sum(storage.nbytes() for storage in storages.values())


def matrices(model: Model) -> int:
    """Parameters of one layer that are multiplied, and so are cast by autocast."""
    attention = 2 * (model.heads + model.kv_heads) * model.head_size
    return model.hidden_size * (attention + 3 * model.feed_forward_size)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(
    "sizes",
    [{}, {"kv_heads": 2}, {"hidden_size": 64, "heads": 8, "kv_heads": 1, "head_size": 16, "feed_forward_size": 160}],
)
def test_a_layer_more_keeps_what_was_counted(sizes, autocast):
    two, three = shape(layers=2, **sizes), shape(layers=3, **sizes)
    counted = TOKENS * (kept_per_token(three, autocast) - kept_per_token(two, autocast))
    cast = 2 * matrices(two) if autocast else 0
    assert kept(three, autocast) - kept(two, autocast) == counted + cast


def test_recomputing_leaves_one_layer_and_what_each_was_given():
    model = shape(layers=24)
    one = kept_per_token(shape(layers=1), autocast=False)
    assert recomputed_per_token(model, autocast=False) == one + 24 * 2 * model.hidden_size
    assert recomputed_per_token(model, autocast=False) < kept_per_token(model, autocast=False) / 8
