"""What TRL's scripts are told, and that they find the data: by TRL's own parsers and `datasets`."""

import importlib
from dataclasses import fields
from pathlib import Path

import pytest
from datasets import load_dataset
from trl.scripts import grpo, sft

from agentworld_dag.training.supervised import Sample
from benchmarks.speed.material import Material, write_preset
from benchmarks.speed.rewards import odd_sums
from benchmarks.speed.trl_side import (
    REWARD,
    DataSet,
    cpt_samples,
    group_flags,
    passes,
    sft_samples,
    supervised_flags,
    write_prompts,
    write_samples,
)
from tests.small_loop import small_preset

TOLD = {"output_dir", "max_steps", "learning_rate", "logging_steps", "seed", "gradient_accumulation_steps"}
OBJECTIVE = {"num_generations", "max_completion_length", "temperature", "importance_sampling_level", "loss_type"}
FOLLOWS = {"steps_per_generation", "generation_batch_size", "use_cpu"}
"""What follows from the others, or from the machine."""


@pytest.fixture
def material(tmp_path: Path, splits: Path, base: Path) -> Material:
    file = tmp_path / "preset.yaml"
    preset = write_preset(file, small_preset(), {"sft": {"rehearsal_share": 0.0}})
    return Material(tmp_path, file, preset, splits, base)


def changed(script, flags: list[str], out: Path) -> set[str]:
    """Fields of the training arguments that are not as they are by default."""
    _, told, *_ = script.make_parser().parse_args_and_config(flags)
    default = type(told)(output_dir=str(out), use_cpu=True)
    return {f.name for f in fields(told) if getattr(told, f.name) != getattr(default, f.name)} - FOLLOWS


def test_trl_sft_keeps_its_defaults_but_for_what_makes_runs_comparable(material, tmp_path):
    flags = supervised_flags(material, DataSet(tmp_path, 50.0, 1024), "sft", 3, tmp_path / "out")
    assert changed(sft, flags, tmp_path) <= TOLD
    longer = supervised_flags(material, DataSet(tmp_path, 50.0, 1025), "sft", 3, tmp_path / "out")
    assert changed(sft, longer, tmp_path) - TOLD == {"max_length"}


def test_trl_grpo_keeps_its_defaults_but_for_what_makes_runs_comparable(material, tmp_path):
    flags = group_flags(material, DataSet(tmp_path, 50.0, 60), 3, tmp_path / "out")
    assert changed(grpo, flags, tmp_path) <= TOLD | OBJECTIVE


def test_trl_reads_the_ids_and_labels_that_were_written(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    samples = [Sample([5, 6, 7], [-100, 6, 7]), Sample([8], [8])]
    data = write_samples(samples, tmp_path / "data")
    found = load_dataset(str(data.folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert [Sample(**row) for row in found.to_list()] == samples
    assert (data.mean_tokens, data.longest_tokens) == (2.0, 3)


def test_prompts_are_messages(material, tmp_path):
    data = write_prompts(material, 0, tmp_path / "data")
    rows = load_dataset(str(data.folder), cache_dir=str(tmp_path / "cache"))["train"]["prompt"]
    assert len(rows) == 12
    assert {tuple(message["role"] for message in row) for row in rows} == {("system", "user")}
    assert data.longest_tokens >= data.mean_tokens > 0


def test_samples_fill_all_steps_of_sft_and_take_each_trajectory_of_cpt_once(material):
    settings = material.preset.sft
    assert settings.rehearsal_share == 0
    assert sum(len(s.input_ids) for s in sft_samples(material, 0)) >= settings.steps * settings.tokens_per_step
    assert len(cpt_samples(material, 0)) == 12


def test_a_step_of_trls_rows_has_about_the_tokens_of_ours():
    assert passes(32768, 435) == 9
    assert passes(100, 435) == 1


def test_the_reward_is_found_by_its_name():
    module, _, name = REWARD.rpartition(".")
    assert getattr(importlib.import_module(module), name) is odd_sums
    assert odd_sums([[1, 2], [3, 3]]) == [1.0, 0.0]
