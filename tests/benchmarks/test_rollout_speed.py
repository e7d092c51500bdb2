from pathlib import Path

import pytest

from agentworld_dag.errors import ConfigError
from agentworld_dag.training.checkpoints import load_tokenizer
from benchmarks.rollout_speed import ONE, PADDED, Answers, equal_share, measured, prompt_shares
from benchmarks.speed.contestants import generate_loop, in_process
from benchmarks.speed.material import Material
from tests.small_loop import small_preset

NEW_TOKENS = 6


@pytest.fixture
def material(tmp_path: Path, splits: Path, base: Path) -> Material:
    return Material(tmp_path, tmp_path / "preset.yaml", small_preset(), splits, base)


def test_all_who_answer_in_this_process_say_the_same(material):
    checkpoint = material.base / "checkpoint"
    prompts = prompt_shares(material, checkpoint, 10, 1, 0)[0]
    one = generate_loop(checkpoint, "float32", 1, NEW_TOKENS)(prompts)
    end = load_tokenizer(checkpoint).eos_token_id
    assert all(0 < len(ids) <= NEW_TOKENS and end not in ids for ids in one)
    assert generate_loop(checkpoint, "float32", 4, NEW_TOKENS)(prompts) == one
    assert in_process(checkpoint, "float32", NEW_TOKENS)(prompts) == one


def test_no_prompt_is_asked_in_two_repetitions(material):
    shares = prompt_shares(material, material.base / "checkpoint", 5, 3, 0)
    prompts = [tuple(prompt) for share in shares for prompt in share]
    assert len(set(prompts)) == len(prompts) == 15


def test_too_few_turns_are_refused(material):
    with pytest.raises(ConfigError, match="raise --sessions or lower --prompts"):
        prompt_shares(material, material.base / "checkpoint", 500, 3, 0)


def test_contestants_take_turns_and_the_first_share_only_warms_up():
    asked = []

    def answerer(name):
        return lambda prompts: asked.append((name, len(prompts))) or [[1]] * len(prompts)

    runs = measured({name: answerer(name) for name in (ONE, PADDED)}, [[[1]] * 4] * 3, one_by_one=2, rest_s=0)
    assert asked == [(ONE, 2), (PADDED, 4), (PADDED, 4), (ONE, 2), (ONE, 2), (PADDED, 4)]
    assert [len(run.ids) for run in runs[PADDED]] == [4, 4]


def test_answers_are_compared_where_both_were_asked():
    told = equal_share([Answers(1.0, [[1], [2], [3]])], [Answers(1.0, [[1], [9]])])
    assert told.startswith("0.50 [")
    assert told.endswith("of 2")
