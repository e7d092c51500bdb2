import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from agentworld_dag.errors import StoreError, TrainError
from agentworld_dag.scale.shape import parameters
from agentworld_dag.stage import Stage
from agentworld_dag.training.base_model import work
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.trajectories.round_plan import Champion, RoundPlan, write_plan


def planned(folder: Path, champion: Path | None) -> Path:
    folder.mkdir()
    write_plan(folder, RoundPlan(champion and Champion("3", champion, champion), ()))
    return folder


def test_the_preset_decides_the_shape_and_the_plan_counts_it(stage: Callable[..., Stage], splits: Path) -> None:
    running = stage("shaped", {"trajectory_splits": splits})
    shape = running.preset.model.model_copy(update={"kv_heads": 1, "tied_embeddings": False})
    running.preset = running.preset.model_copy(update={"model": shape})
    metrics = work(running)
    made = load_checkpoint(running.out / "checkpoint")[0].config
    assert (made.num_attention_heads, made.num_key_value_heads, made.tie_word_embeddings) == (2, 1, False)
    counted = parameters(shape.model_copy(update={"vocab_size": metrics["vocabulary"]})).total
    assert metrics["parameters"] == counted


def test_a_round_starts_from_the_champion_whatever_the_preset_says(
    tmp_path: Path, stage: Callable[..., Stage], base: Path
) -> None:
    plan = planned(tmp_path / "plan", base)
    running = stage("start", {"round_plan": plan}, seed=5)
    bigger = running.preset.model.model_copy(update={"hidden_size": 64, "vocab_size": 300})
    running.preset = running.preset.model_copy(update={"model": bigger})
    metrics = work(running)
    champion, tokenizer = load_checkpoint(base / "checkpoint")
    started, same_tokenizer = load_checkpoint(running.out / "checkpoint")
    weights = started.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in champion.state_dict().items())
    assert same_tokenizer.get_vocab() == tokenizer.get_vocab()
    assert same_tokenizer.chat_template == tokenizer.chat_template
    configs = [json.loads((out / "checkpoint" / "config.json").read_text()) for out in (base, running.out)]
    assert configs[0] == configs[1]
    assert metrics["from_champion"] == 1
    assert metrics["vocabulary"] == len(tokenizer)


def test_a_plan_without_a_champion_leaves_the_start_to_the_preset(
    tmp_path: Path, stage: Callable[..., Stage], base: Path, splits: Path
) -> None:
    running = stage("start", {"round_plan": planned(tmp_path / "plan", None), "trajectory_splits": splits})
    assert work(running)["from_champion"] == 0
    expected, found = (load_checkpoint(out / "checkpoint")[0].state_dict() for out in (base, running.out))
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert work(stage("other", {"trajectory_splits": splits}, seed=1))["from_champion"] == 0
    other = load_checkpoint(tmp_path / "other" / "checkpoint")[0].state_dict()
    assert any(not torch.equal(other[name], tensor) for name, tensor in expected.items())


def test_weights_that_can_hold_code_are_refused(tmp_path: Path, stage: Callable[..., Stage], base: Path) -> None:
    pickled = tmp_path / "pickled"
    shutil.copytree(base / "checkpoint", pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    running = stage("start", {})
    named = running.preset.model.model_copy(update={"checkpoint": str(pickled)})
    running.preset = running.preset.model_copy(update={"model": named})
    with pytest.raises(TrainError, match=r"pickled holds no weights in safetensors; save it"):
        work(running)


def test_a_champion_without_weights_is_named(tmp_path: Path, stage: Callable[..., Stage]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    plan = planned(tmp_path / "plan", empty)
    with pytest.raises(TrainError, match=r"empty/checkpoint holds no checkpoint"):
        work(stage("start", {"round_plan": plan}))
    empty.rmdir()
    with pytest.raises(StoreError, match="which is gone"):
        work(stage("start", {"round_plan": plan}))
