"""Stage 2, supervised fine-tuning: the next state with reasoning (paper section 3.3).

    python -m agentworld_dag.training.sft --config infra/presets/tiny.yaml --seed 0 \
        --input world_model_cpt=DIR --input trajectory_splits=DIR --out DIR

The reasoning quotes the facts the action refers to and patches the state, the
answer is the true observation, all from the record, so a trace is right by
construction; the paper samples traces from a teacher and keeps the best of
three. Most samples show the state ledger, a share shows plain history, so that
one model runs in both modes.

The first samples rehearse: in place of the patch they write the whole next
state. That is nearly all copying, which a small model has to learn before it
can look anything up; the learning rate starts to decay after it.
"""

import random
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Literal

from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.settings import WorldModelSft
from agentworld_dag.training.supervised import Sample, prompt_and_target, train
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.render import Template, turn_messages
from agentworld_dag.trajectories.schema import Trajectory

Place = tuple[Trajectory, int, Literal["ledger", "history"]]


def work(stage: Stage) -> dict[str, Any]:
    preset = stage.preset
    model, tokenizer = load_checkpoint(stage.inputs["world_model_cpt"] / "checkpoint")
    trajectories = read_trajectories(stage.inputs["trajectory_splits"] / "sft.parquet")
    chosen = places(trajectories, preset.sft.history_share, stage.seed)
    encoder = ChatEncoder(tokenizer)
    rehearsal = turn_samples(encoder, chosen, preset.model.template, whole_state=True)
    patches = turn_samples(encoder, chosen, preset.model.template, whole_state=False)
    samples = curriculum(rehearsal, patches, preset.sft)
    return train(stage, preset.sft, model, tokenizer, samples, curriculum_share=preset.sft.rehearsal_share)


def places(trajectories: list[Trajectory], history_share: float, seed: int) -> list[Place]:
    """Every turn once, shuffled, each in ledger mode or, for a seeded share of them, in history mode."""
    draw = random.Random(seed)
    found: list[Place] = [
        (trajectory, index, "history" if draw.random() < history_share else "ledger")
        for trajectory in trajectories
        for index in range(len(trajectory.turns))
    ]
    draw.shuffle(found)
    return found


def turn_samples(encoder: ChatEncoder, chosen: list[Place], template: Template, whole_state: bool) -> list[Sample]:
    """Tokenised samples with loss on reasoning and observation only."""
    turns = (turn_messages(trajectory, index, mode, template, whole_state) for trajectory, index, mode in chosen)
    return [prompt_and_target(prompt, target) for prompt, target in encoder.samples(turns)]


def curriculum(rehearsal: list[Sample], patches: list[Sample], settings: WorldModelSft) -> list[Sample]:
    """The tokens of the whole stage: the rehearsal's share, then patches. What runs out starts over."""
    tokens = settings.steps * settings.tokens_per_step
    rehearsed = round(tokens * settings.rehearsal_share)
    return [*fill(rehearsal, rehearsed), *fill(patches, tokens - rehearsed)]


def fill(samples: list[Sample], tokens: int) -> Iterator[Sample]:
    """Samples from the front, over and over, until `tokens` are reached."""
    taken = 0
    for sample in cycle(samples):
        if taken >= tokens:
            return
        taken += len(sample.input_ids)
        yield sample


if __name__ == "__main__":
    run_stage(work)
