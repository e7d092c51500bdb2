"""Rows of several samples: whether one sees another, by the loss of a first step."""

import json
from pathlib import Path

import pytest

from agentworld_dag.stage import Stage
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.supervised import Packing, Sample, train
from tests.small_loop import small_preset

SAMPLES = [Sample([word] * length, [word] * length) for word, length in ((60, 9), (70, 14), (80, 7), (90, 2))]
ALL = sum(len(sample.input_ids) for sample in SAMPLES)
ONE_STEP = {"steps": 1, "tokens_per_step": ALL, "passes_per_step": 1}


def first_loss(stage: Stage, base: Path, packing: Packing | None) -> float:
    model, tokenizer = load_checkpoint(base / "checkpoint")
    settings = small_preset().cpt.model_copy(update=ONE_STEP)
    train(stage, settings, model, tokenizer, SAMPLES, packing)
    line = (stage.out / "metrics.jsonl").read_text().splitlines()[0]
    return json.loads(line)["metrics"]["loss"]


@pytest.fixture
def taught(stage, base: Path, splits: Path) -> Path:
    """A checkpoint that has learnt to look back: a repeated token is what comes next."""
    model, tokenizer = load_checkpoint(base / "checkpoint")
    teaching = stage("taught", {})
    settings = small_preset().cpt.model_copy(update={"steps": 30, "learning_rate": 1e-2, "tokens_per_step": ALL})
    train(teaching, settings, model, tokenizer, SAMPLES)
    return teaching.out


def test_a_sample_in_a_shared_row_is_scored_as_if_it_were_alone(stage, taught: Path) -> None:
    alone = first_loss(stage("alone", {}), taught, None)
    separate = first_loss(stage("separate", {}), taught, Packing(ALL, separate=True))
    joined = first_loss(stage("joined", {}), taught, Packing(ALL, separate=False))
    assert separate == pytest.approx(alone, rel=0.01)  # in half precision
    assert joined > 1.05 * alone, "the first token after another sample is scored, and each sees others"
