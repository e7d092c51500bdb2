"""Bytes that a forward pass keeps for its backward pass.

Counted tensor by tensor, as Korthikanti et al. do for GPT (arXiv 2205.05198,
section 4), for transformers' Qwen3 with fused attention: nothing grows with
the square of the sequence. Exact for dense models; for experts and linear
attention it is an estimate, since what is kept depends on the kernels.
"""

from agentworld_dag.scale.shape import full_layers, kv_size, mixed_size, query_size
from agentworld_dag.training.settings import Model

HALF, WHOLE = 2, 4


def kept_per_token(model: Model, autocast: bool) -> float:
    """By all layers when nothing is recomputed.

    `autocast`: weights and residual stream in float32, as in a process on its own; otherwise all in bfloat16, as
    under FSDP's mixed precision. Autocast keeps its bfloat16 copies of the weights too, once for all tokens.
    """
    full = full_layers(model)
    block = _block(model) + _norms(model, autocast)
    return full * (_full_attention(model) + block) + (model.layers - full) * (_linear_attention(model) + block)


def recomputed_per_token(model: Model, autocast: bool) -> float:
    """What every layer was given, and what the dearest one keeps while it is computed again."""
    block = _block(model) + _norms(model, autocast)
    dearest = max(_full_attention(model), _linear_attention(model)) + block
    return model.layers * model.hidden_size * (WHOLE if autocast else HALF) + dearest


def _norms(model: Model, autocast: bool) -> int:
    """Two norms and two sums with the residual stream: input, its float32 copy and the result."""
    halves, wholes = (5, 4) if autocast else (4, 2)
    return model.hidden_size * (halves * HALF + wholes * WHOLE) + 2 * WHOLE


def _full_attention(model: Model) -> int:
    """Queries and keys before and after their norm (with a float32 copy) and rotation, values, the result."""
    query, kv = query_size(model), kv_size(model)
    gate = 3 * query * HALF if model.linear_attention else 0
    scales = WHOLE * (2 * model.heads + model.kv_heads)
    return (3 * HALF + WHOLE) * (query + kv) + scales + gate


def _linear_attention(model: Model) -> int:
    """Estimate: everything mixed before and after the convolution and its activation, the gate's part, the result."""
    if (linear := model.linear_attention) is None:
        return 0
    return HALF * (3 * mixed_size(linear) + 5 * linear.value_heads * linear.head_size)


def _block(model: Model) -> int:
    """Gate, its activation, up and their product; with experts a token's copies on the way to and from them."""
    if model.experts is None:
        return 4 * HALF * model.feed_forward_size
    wide = model.experts.active * model.feed_forward_size + model.experts.shared_feed_forward_size
    return HALF * (4 * wide + 2 * model.experts.active * model.hidden_size)
