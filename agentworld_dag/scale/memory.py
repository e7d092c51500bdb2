"""What one device holds of a stage, part by part, in GiB.

Weights, gradients and optimizer state are held whole on every device, or
sharded over all of the stage (`compute.*.sharding`: FSDP's full shard, ZeRO
stage 3, arXiv 1910.02054). Training and
generating take turns: an engine gives its memory back while the model trains
(vLLM calls it sleeping), so the total has the larger of the two.
"""

from dataclasses import dataclass
from math import ceil

from agentworld_dag.scale.activations import WHOLE, kept_per_token, recomputed_per_token
from agentworld_dag.scale.case import Case
from agentworld_dag.scale.shape import full_layers, mixed_size, parameters

GIB = 1 << 30
TILE = (4096, 32768)
"""Tokens and entries of the vocabulary that TRL's head scores at once on a GPU (`trl.trainer.utils`)."""
WHOLE_LOGITS = 3 * WHOLE
"""Bytes of one logit that is not scored in tiles: itself, its log-softmax and the gradient."""
CAST = 2
"""Bytes of a weight in the precision that it is multiplied in."""


@dataclass(frozen=True)
class Memory:
    """GiB by what they are for."""

    held: dict[str, float]
    training: dict[str, float]
    generating: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.held.values()) + max(sum(self.training.values()), sum(self.generating.values()))


def memory(case: Case) -> Memory:
    return Memory(
        held=_gib(_held(case)) | {"reserved": case.plan.reserved_gib if case.on_gpu else 0.0},
        training=_gib({"cast weights": _cast(case), "activations": _activations(case), "logits": _logits(case)}),
        generating=_gib({"engine weights": _engine_weights(case), "kv cache": _kv_cache(case)}),
    )


def not_saved(case: Case) -> dict[str, float]:
    """GiB of activations and of logits, were nothing computed again and no logits scored in tiles."""
    kept = kept_per_token(case.model, not case.sharded) * case.tokens_per_device
    whole = WHOLE_LOGITS * case.model.vocab_size * case.tokens_per_device
    return _gib({"activations": kept, "logits": whole})


def checkpoint_gib(case: Case) -> float:
    """On disk, of all devices: what training resumes from, which is all that is held but gradients."""
    return sum(size for part, size in _held(case).items() if part != "gradients") * case.shards / GIB


def _held(case: Case) -> dict[str, float]:
    total, each = parameters(case.model).total / case.shards, case.plan.bytes
    return {
        "weights": total * each.weight,
        "gradients": total * each.gradient,
        "master weights": total * each.master,
        "moments": _moments(case) / case.shards * each.moment,
    }


def _moments(case: Case) -> int:
    """AdamW keeps two; Muon one of each matrix in the layers, and leaves embeddings and stacked experts to AdamW."""
    size = parameters(case.model)
    by_muon = size.total - size.embeddings if case.work.optimizer == "muon" and case.model.experts is None else 0
    return 2 * size.total - by_muon


def _cast(case: Case) -> float:
    """Sharded: the layer at work, the next one under way and a layer's gradient, and embeddings with theirs.

    On one device: autocast's copy of every weight.
    """
    size = parameters(case.model)
    if case.sharded:
        return CAST * (3 * size.largest_layer + 2 * size.embeddings)
    return CAST * size.total


def _activations(case: Case) -> float:
    per_token = recomputed_per_token if case.needs.recompute_activations else kept_per_token
    return per_token(case.model, not case.sharded) * case.tokens_per_device


def _logits(case: Case) -> float:
    if case.on_gpu:
        return 2 * WHOLE * min(case.tokens_per_device, TILE[0]) * min(case.model.vocab_size, TILE[1])
    return WHOLE_LOGITS * case.tokens_per_device * case.model.vocab_size


def _engine_weights(case: Case) -> float:
    """A part of the policy's where it has an engine of its own, and a part of the simulator's."""
    rollouts, work = case.plan.rollouts, case.work
    policy = int(rollouts.separate and work.cached_tokens > 0) / work.engine_gpus
    simulator = int(work.simulator_cached_tokens > 0) / rollouts.engine_gpus
    return (policy + simulator) * parameters(case.model).total * rollouts.bytes


def _kv_cache(case: Case) -> float:
    """Of all sequences at once, at their mean length."""
    work, rollouts = case.work, case.plan.rollouts
    engines = ((work.cached_tokens, work.engine_gpus), (work.simulator_cached_tokens, rollouts.engine_gpus))
    return rollouts.sequences * sum(
        tokens * _per_token(case, gpus) + _state(case, gpus) for tokens, gpus in engines if tokens
    )


def _per_token(case: Case, gpus: int) -> float:
    """Keys and values on one device; a head cannot be split between the GPUs of an engine."""
    heads = ceil(case.model.kv_heads / gpus)
    return 2 * heads * case.model.head_size * full_layers(case.model) * case.plan.rollouts.bytes


def _state(case: Case, gpus: int) -> float:
    """Of one sequence in the layers of linear attention, whatever its length: float32, and the convolution's window."""
    model, linear = case.model, case.model.linear_attention
    if linear is None:
        return 0.0
    values = linear.value_heads * linear.head_size * linear.head_size
    size = WHOLE * values + case.plan.rollouts.bytes * mixed_size(linear) * (linear.kernel - 1)
    return (model.layers - full_layers(model)) * size / gpus


def _gib(parts: dict[str, float]) -> dict[str, float]:
    return {name: size / GIB for name, size in parts.items()}
