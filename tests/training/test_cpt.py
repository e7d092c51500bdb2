from pathlib import Path

from transformers import AutoTokenizer

from agentworld_dag.training.cpt import observation_sample, work
from agentworld_dag.training.labelled_head import IGNORED
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.render import turn_messages
from tests.small_loop import make_trajectory


def test_labels_cover_the_observations_of_kept_turns_and_nothing_else(base: Path) -> None:
    encoder = ChatEncoder(AutoTokenizer.from_pretrained(base / "checkpoint"))
    sample = observation_sample(encoder, make_trajectory(0), (True, False, True), "compact")
    labelled = encoder.tokenizer.decode([label for label in sample.labels if label != IGNORED])
    empty = "<think>\n\n</think>\n\n"
    assert labelled == f"{empty}~$<|im_end|>\n{empty}cat: note: No such file or directory\n~[1]$<|im_end|>\n"
    assert all(label in (IGNORED, token) for label, token in zip(sample.labels, sample.input_ids, strict=True))


def test_each_observation_is_learned_in_the_ids_it_is_asked_for_in(base: Path) -> None:
    encoder = ChatEncoder(AutoTokenizer.from_pretrained(base / "checkpoint"))
    trajectory = make_trajectory(0)
    whole = observation_sample(encoder, trajectory, (True, True, True), "compact").input_ids
    for index, turn in enumerate(trajectory.turns):
        prompt, _ = turn_messages(trajectory, index, "history", "compact")
        asked = encoder.prompt(prompt, thinking=False) + encoder.ids(f"{turn.observation}<|im_end|>")
        assert whole[: len(asked)] == asked, turn.action


def test_the_stage_reports_its_mask_and_saves_a_checkpoint(stage, base: Path, splits: Path) -> None:
    running = stage("cpt", {"base_model": base, "trajectory_splits": splits})
    metrics = work(running)
    assert metrics["labels_outside_observations"] == 0
    assert 0 < metrics["supervised_share"] < 1
    assert (running.out / "checkpoint" / "model.safetensors").is_file()
