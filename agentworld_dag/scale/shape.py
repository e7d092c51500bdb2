"""How many parameters a model has, from its sizes: what the plan's arithmetic starts from.

Exact for transformers' Qwen3, Qwen3-MoE and the text part of Qwen3.5-MoE. The
vision tower and the heads for several tokens ahead of Qwen3.5 are left out.
"""

from dataclasses import dataclass

from agentworld_dag.training.settings import Experts, LinearAttention, Model


@dataclass(frozen=True)
class Parameters:
    total: int
    active: int
    """That one token meets, as in the names of mixtures: embeddings count, experts it does not go to do not."""
    embeddings: int
    """Input and output."""
    largest_layer: int
    multiplied: int
    """That cost one token a multiplication: the active ones without the table of inputs."""


def parameters(model: Model) -> Parameters:
    full, linear = full_layers(model), model.layers - full_layers(model)
    idle = _idle_experts(model)
    shared = 2 * model.hidden_size + _block(model)
    mixers = {"full": _full_attention(model), "linear": _linear_attention(model)}
    table = model.vocab_size * model.hidden_size
    embeddings = table if model.tied_embeddings else 2 * table
    total = full * (mixers["full"] + shared) + linear * (mixers["linear"] + shared) + embeddings + model.hidden_size
    active = total - model.layers * idle
    return Parameters(
        total=total,
        active=active,
        embeddings=embeddings,
        largest_layer=max(mixers.values()) + shared,
        multiplied=active - (0 if model.tied_embeddings else table),
    )


def full_layers(model: Model) -> int:
    """Layers whose attention sees every token before: those with a growing cache."""
    return model.layers // model.linear_attention.full_every if model.linear_attention else model.layers


def query_size(model: Model) -> int:
    return model.heads * model.head_size


def kv_size(model: Model) -> int:
    """Of the keys of one token in one layer; as much for the values."""
    return model.kv_heads * model.head_size


def _full_attention(model: Model) -> int:
    gate = 1 if model.linear_attention else 0
    per_hidden = (2 + gate) * query_size(model) + 2 * kv_size(model)
    return model.hidden_size * per_hidden + 2 * model.head_size


def _linear_attention(model: Model) -> int:
    if (linear := model.linear_attention) is None:
        return 0
    values, mixed = linear.value_heads * linear.head_size, mixed_size(linear)
    products = model.hidden_size * (mixed + 2 * values + 2 * linear.value_heads)
    return products + mixed * linear.kernel + 2 * linear.value_heads + linear.head_size


def mixed_size(linear: LinearAttention) -> int:
    """Queries, keys and values of one token, side by side."""
    return (2 * linear.key_heads + linear.value_heads) * linear.head_size


def _block(model: Model) -> int:
    """The feed-forward part of a layer: gate, up and down, once or per expert."""
    one = 3 * model.hidden_size * model.feed_forward_size
    return one if model.experts is None else model.experts.count * one + _router(model.hidden_size, model.experts)


def _router(hidden_size: int, experts: Experts) -> int:
    """With the expert that sees every token and its gate."""
    shared = 3 * hidden_size * experts.shared_feed_forward_size + hidden_size
    return hidden_size * experts.count + (shared if experts.shared_feed_forward_size else 0)


def _idle_experts(model: Model) -> int:
    """Parameters of a layer's experts that a token does not go to."""
    if model.experts is None:
        return 0
    return (model.experts.count - model.experts.active) * 3 * model.hidden_size * model.feed_forward_size
