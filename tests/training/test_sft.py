import shutil
from pathlib import Path

import pytest

from agentworld_dag.cost import Meter
from agentworld_dag.errors import TrainError
from agentworld_dag.training import sft
from agentworld_dag.training.sft import curriculum
from agentworld_dag.training.supervised import Sample
from tests.small_loop import make_trajectory, small_preset


def weights(out: Path) -> bytes:
    return (out / "checkpoint" / "model.safetensors").read_bytes()


def train(stage, name: str, base: Path, splits: Path, seed: int = 0) -> Path:
    running = stage(name, {"world_model_cpt": base, "trajectory_splits": splits}, seed)
    with running.meter.recording():
        sft.work(running)
    return running.out


def test_every_turn_is_a_sample_once_and_some_show_history() -> None:
    trajectories = [make_trajectory(i) for i in range(40)]
    chosen = sft.places(trajectories, history_share=0.25, seed=1)
    assert len({(t.id, index) for t, index, _ in chosen}) == len(chosen) == 120
    assert 0.1 < sum(mode == "history" for _, _, mode in chosen) / 120 < 0.4


def test_a_seed_gives_the_same_weights_and_another_seed_others(stage, base: Path, splits: Path) -> None:
    first = train(stage, "a", base, splits)
    assert weights(first) == weights(train(stage, "b", base, splits))
    assert weights(first) != weights(train(stage, "c", base, splits, seed=1))


def test_a_killed_stage_ends_with_the_weights_of_an_uninterrupted_one(stage, base: Path, splits: Path) -> None:
    whole = train(stage, "whole", base, splits)
    killed = train(stage, "killed", base, splits)
    shutil.rmtree(killed / "checkpoint")  # as a kill after the checkpoint of step 2 leaves it
    assert weights(train(stage, "killed", base, splits)) == weights(whole)


def test_tokens_count_as_often_as_they_are_trained_on(stage, base: Path, splits: Path) -> None:
    out = train(stage, "killed", base, splits)
    before = Meter(out).total().tokens
    shutil.rmtree(out / "checkpoint")
    train(stage, "killed", base, splits)
    resumed = Meter(out).total().tokens - before
    assert 4 * 100 < before < 4 * 2 * small_preset().sft.tokens_per_step
    assert 0.3 < resumed / before < 0.7, "two steps of four"


def test_an_empty_split_is_one_clear_error(stage, base: Path, tmp_path: Path) -> None:
    from agentworld_dag.trajectories.parquet import write_trajectories

    (tmp_path / "empty").mkdir()
    write_trajectories(tmp_path / "empty" / "sft.parquet", [])
    with pytest.raises(TrainError, match="no training samples"):
        train(stage, "none", base, tmp_path / "empty")


def test_each_part_of_the_curriculum_gets_its_share_of_tokens_from_however_few_samples() -> None:
    settings = small_preset().sft.model_copy(update={"steps": 10, "tokens_per_step": 100, "rehearsal_share": 0.6})
    rehearsal, patches = [Sample([1] * 20, [])], [Sample([2] * 10, []), Sample([3] * 10, [])]
    lengths = [len(sample.input_ids) for sample in curriculum(rehearsal, patches, settings)]
    assert lengths == [20] * 30 + [10] * 40
