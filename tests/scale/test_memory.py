"""Memory by formula against real tensors where a processor can hold them, and what sharding does to it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from agentworld_dag.config import Preset, load_preset
from agentworld_dag.home import preset_path
from agentworld_dag.scale.case import Case, cases
from agentworld_dag.scale.memory import GIB, checkpoint_gib, memory, not_saved
from agentworld_dag.training.optimizer import optimizers
from tests.scale.test_shape import config_of


def case(preset: str, stage: str, **changes: Any) -> Case:
    found = cases(load_preset(preset_path(preset)), stage)[0]
    return replace(found, **changes)


def model_of(preset: Preset) -> PreTrainedModel:
    return AutoModelForCausalLM.from_config(config_of(preset.model))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_what_is_held_is_what_a_training_step_leaves(optimizer):
    preset = load_preset(preset_path("tiny"))
    model = model_of(preset)
    steps = optimizers(model, optimizer, 1e-3)[0] or torch.optim.AdamW(model.parameters())
    model(torch.zeros((1, 4), dtype=torch.long)).logits.sum().backward()
    steps.step()
    parts = getattr(steps, "parts", (steps,))
    moments = [
        value for part in parts for state in part.state.values() for value in state.values() if value.numel() > 1
    ]
    tiny = case("tiny", "training.sft")
    held = memory(replace(tiny, work=replace(tiny.work, optimizer=optimizer))).held
    assert held["weights"] * GIB == _bytes(list(model.parameters()))
    assert held["gradients"] * GIB == _bytes([w.grad for w in model.parameters() if w.grad is not None])
    # Muon leaves norms to AdamW, which the plan does not tell from matrices.
    assert held["moments"] * GIB == pytest.approx(_bytes(moments), rel=0.002)


def test_the_cache_is_what_a_model_caches():
    preset = load_preset(preset_path("tiny"))
    rl = case("tiny", "training.world_model_rl")
    length, rows = rl.work.cached_tokens, preset.plan.rollouts.sequences
    cached: Any = model_of(preset)(torch.zeros((rows, length), dtype=torch.long), use_cache=True).past_key_values
    found = _bytes([tensor for layer in cached.layers for tensor in (layer.keys, layer.values)])
    assert memory(rl).generating["kv cache"] * GIB == found


def test_more_nodes_hold_less_each():
    two = case("base", "training.sft")
    four = replace(two, needs=two.needs.model_copy(update={"nodes": 4}))
    for part in ("weights", "gradients", "master weights", "moments"):
        assert memory(four).held[part] == memory(two).held[part] / 2
    assert memory(four).training["cast weights"] == memory(two).training["cast weights"]


def test_a_cache_head_is_not_split():
    """base has two: from two GPUs on, more of them hold no less of a sequence."""
    caches = [memory(_with_engine(case("base", "agents.agent_rl"), gpus)).generating["kv cache"] for gpus in (1, 2, 8)]
    assert caches[1] < 0.6 * caches[0]
    assert caches[2] == pytest.approx(caches[1], rel=0.1)


def test_a_stage_that_generates_nothing_has_no_engine():
    assert sum(memory(case("base", "training.sft")).generating.values()) == 0
    weights = [memory(case("base", stage)).generating["engine weights"] for stage in ("training.world_model_rl",)]
    practice = memory(case("base", "agents.agent_rl")).generating["engine weights"]
    assert practice == 2 * weights[0]  # the policy's and the simulator's


def test_a_checkpoint_is_as_large_however_many_hold_it():
    two = case("base", "training.sft")
    four = replace(two, needs=two.needs.model_copy(update={"nodes": 4}))
    assert checkpoint_gib(four) == pytest.approx(checkpoint_gib(two))
    assert checkpoint_gib(two) * GIB == pytest.approx(14 * 34_660_610_688)  # 2 + 4 + 2 x 4 bytes a weight


def test_training_and_generating_take_turns():
    found = memory(case("base", "agents.agent_rl"))
    assert found.total == sum(found.held.values()) + sum(found.generating.values())
    assert sum(found.generating.values()) > sum(found.training.values()) > 0


def test_what_is_saved_is_less_than_all_of_it():
    sft = case("base", "training.sft")
    assert memory(sft).training["activations"] < not_saved(sft)["activations"] / 10
    assert memory(sft).training["logits"] < not_saved(sft)["logits"] / 10
    tiny = case("tiny", "training.sft")
    assert memory(tiny).training["activations"] == not_saved(tiny)["activations"]


def _with_engine(found: Case, gpus: int) -> Case:
    rollouts = found.plan.rollouts.model_copy(update={"engine_gpus": gpus})
    work = replace(found.work, engine_gpus=gpus)
    return replace(found, work=work, plan=found.plan.model_copy(update={"rollouts": rollouts}))


def _bytes(tensors: list[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
