"""Stage 1, continual pre-training: whole environment trajectories, without reasoning (paper section 3.2).

    python -m agentworld_dag.training.cpt --config infra/presets/tiny.yaml --seed 0 \
        --input base_model=DIR --input trajectory_splits=DIR --out DIR

The loss covers observations only, less the turns the information-theoretic
mask drops (paper Table 3, `trajectories.loss_mask`); dropped turns stay as
context. The paper's professional corpora have no counterpart here.
"""

from itertools import groupby
from typing import Any

from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.labelled_head import IGNORED
from agentworld_dag.training.supervised import Packing, Sample, train
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.loss_mask import kept_turns
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.render import Template, trajectory_messages
from agentworld_dag.trajectories.schema import Trajectory


def work(stage: Stage) -> dict[str, Any]:
    preset = stage.preset
    model, tokenizer = load_checkpoint(stage.inputs["base_model"] / "checkpoint")
    encoder = ChatEncoder(tokenizer)
    trajectories = read_trajectories(stage.inputs["trajectory_splits"] / "cpt.parquet")
    kept = [kept_turns(trajectory, preset.collection.seed) for trajectory in trajectories]
    samples = [
        observation_sample(encoder, trajectory, keep, preset.model.template)
        for trajectory, keep in zip(trajectories, kept, strict=True)
    ]
    packing = Packing(preset.cpt.packed_tokens, preset.cpt.packing == "separate")
    metrics = train(stage, preset.cpt, model, tokenizer, samples, packing)
    turns = sum(len(keep) for keep in kept)
    return {
        **metrics,
        "masked_turn_share": 1 - sum(sum(keep) for keep in kept) / turns,
        "labels_outside_observations": sum(
            _strays(encoder, trajectory, keep, sample)
            for trajectory, keep, sample in zip(trajectories, kept, samples, strict=True)
        ),
    }


def observation_sample(
    encoder: ChatEncoder, trajectory: Trajectory, keep: tuple[bool, ...], template: Template
) -> Sample:
    """The trajectory with labels on the observations of the kept turns."""
    ids, spoken = encoder.masked(trajectory_messages(trajectory, template))
    labels: list[int] = []
    turn = -1
    for is_observation, run in groupby(spoken):
        length = sum(1 for _ in run)
        turn += is_observation
        learn = bool(is_observation) and keep[turn]
        labels += ids[len(labels) : len(labels) + length] if learn else [IGNORED] * length
    return Sample(ids, labels)


def _strays(encoder: ChatEncoder, trajectory: Trajectory, keep: tuple[bool, ...], sample: Sample) -> int:
    """How far the labelled text is from the kept observations, in characters; 0 when the mask is right."""
    labelled = encoder.tokenizer.decode([label for label in sample.labels if label != IGNORED])
    wanted = "".join(
        f"<think>\n\n</think>\n\n{(turn.observation or '').lstrip(chr(10))}<|im_end|>\n"
        for turn, keeps in zip(trajectory.turns, keep, strict=True)
        if keeps
    )
    return 0 if labelled == wanted else max(1, abs(len(labelled) - len(wanted)))


if __name__ == "__main__":
    run_stage(work)
