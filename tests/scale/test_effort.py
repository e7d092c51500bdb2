"""Operations by formula against those that torch counts, and what hours and money follow from."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from agentworld_dag.config import load_preset
from agentworld_dag.home import preset_path
from agentworld_dag.scale.effort import HOUR_S, effort
from agentworld_dag.scale.shape import full_layers, query_size
from tests.scale.test_memory import case
from tests.scale.test_shape import config_of

TOKENS = 64


@pytest.mark.parametrize("tied", [True, False])
def test_operations_of_a_training_pass_are_those_torch_counts(tied):
    model = load_preset(preset_path("tiny")).model.model_copy(update={"tied_embeddings": tied})
    made = AutoModelForCausalLM.from_config(config_of(model), attn_implementation="eager")
    with FlopCounterMode(display=False) as counter:
        made(torch.zeros((1, TOKENS), dtype=torch.long)).logits.sum().backward()
    unmasked = 3 * 2 * full_layers(model) * query_size(model) * TOKENS**2  # eager computes what the mask leaves out
    tiny = case("tiny", "training.sft")
    work = replace(tiny.work, trained_tokens=TOKENS, sequence_tokens=TOKENS)
    found = effort(replace(tiny, model=model, work=work)).training_h * HOUR_S
    operations = found * tiny.peak_flops * tiny.plan.mfu.training
    assert operations == pytest.approx(counter.get_total_flops() - unmasked, rel=0.005)


def test_twice_the_nodes_take_half_the_time_for_the_same_money():
    two = case("base", "training.sft")
    four = replace(two, needs=two.needs.model_copy(update={"nodes": 4}))
    assert effort(four).training_h == pytest.approx(effort(two).training_h / 2)
    assert effort(four).money == pytest.approx(effort(two).money)


def test_the_slower_of_computing_and_moving_counts():
    found = case("large", "training.cpt")
    gpu = found.plan.gpu
    assert gpu is not None
    slow = found.plan.model_copy(update={"gpu": gpu.model_copy(update={"gather_gb_s": 50.0})})
    quick, waiting = effort(found), effort(replace(found, plan=slow))
    assert quick.hours == quick.training_h > quick.moving_h
    assert waiting.hours == waiting.moving_h == pytest.approx(7 * quick.moving_h)


def test_one_gpu_moves_nothing():
    assert effort(case("small", "training.sft")).moving_h == 0


def test_money_is_of_gpus_or_of_cores():
    small, tiny = case("small", "training.sft"), case("tiny", "training.sft")
    assert effort(small).money == effort(small).hours * small.prices.gpu_hour
    assert effort(tiny).money == effort(tiny).hours * tiny.needs.cpus * tiny.prices.cpu_core_hour
