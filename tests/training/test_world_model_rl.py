import json
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.errors import ConfigError
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.judge import DIMENSIONS
from agentworld_dag.training.rewards import FULL_REWARD
from agentworld_dag.training.settings import WorldModelRl
from agentworld_dag.training.world_model_rl import UNSCORED, reward_function
from tests.endpoints.scripted_server import Said, serving
from tests.small_loop import small_preset

GOLD = "<think>\nmemo?\n->\nmemo=red\n</think>\n\nred\n~$"


def settings(**changes: Any) -> WorldModelRl:
    return small_preset().world_model_rl.model_copy(update=changes)


def test_a_judge_in_the_preset_scores_with_the_key_of_the_environment(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tokenizer = load_checkpoint(base / "checkpoint")
    monkeypatch.setenv("AGENTWORLD_JUDGE_API_KEY", "sk-1")
    said, logged = Said(json.dumps(dict.fromkeys(DIMENSIONS, 5))), {}
    with serving(lambda _, before: Said(status=400) if before == 0 else said) as server:
        reward = reward_function(tokenizer, settings(judge_url=server.url, judge_model="judge"))
        rewards = reward(
            completion_ids=[tokenizer.encode(GOLD)] * 4,
            state_before=["cwd=~\nlist=cat"] * 4,
            action=["echo red > memo"] * 4,
            state_patch=["memo=red"] * 4,
            observation=["red\n~$"] * 4,
            log_metric=logged.__setitem__,
        )
    assert rewards == [FULL_REWARD] * 4
    assert logged == {UNSCORED: 0.25}
    assert server.keys == ["Bearer sk-1"] * 4
    assert {request["model"] for request in server.asked} == {"judge"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"judge_url": "http://localhost/v1", "judge_model": None}, "judge_model is not"),
        ({"judge_url": "localhost:8000", "judge_model": "judge"}, "expected a base address like"),
    ],
)
def test_half_a_judge_is_refused_before_any_training(base: Path, changes: dict[str, str | None], told: str) -> None:
    _, tokenizer = load_checkpoint(base / "checkpoint")
    with pytest.raises(ConfigError, match=told):
        reward_function(tokenizer, settings(**changes))
