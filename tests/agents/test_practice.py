import pytest

from agentworld_dag.agents.practice import STEPS, step_metrics, steps_spent, summary
from agentworld_dag.agents.rollout import Rollout
from agentworld_dag.errors import TrainError
from tests.agents.conftest import WRITE


def rollout(*actions: str, success: bool = False, failure: str = "", invalid: int = 0) -> Rollout:
    return Rollout(WRITE, actions, tuple("~$" for _ in actions), success, failure, invalid)


def test_a_step_is_counted_whole() -> None:
    found = step_metrics([rollout("ls", "ls ", success=True), rollout("pwd", failure="died"), rollout(""), rollout()])
    assert found["success"] == found["success/write"] == 0.25
    assert found[STEPS] == 4 and found["failed_rollouts"] == 1
    assert found["tool_call_rate"] == 0.75
    assert found["empty_action_share"] == 0.25 and found["top_action_share"] == 0.5


def test_invalid_messages_are_a_share_of_all_messages() -> None:
    assert step_metrics([rollout(invalid=1), rollout("ls")])["invalid_message_share"] == pytest.approx(1 / 3)


def test_a_step_whose_environments_died_stops_training() -> None:
    with pytest.raises(TrainError, match=r"2 of 3 rollouts failed.*no room"):
        step_metrics([rollout("ls"), rollout("ls", failure="died"), rollout("ls", failure="no room")])


def entry(success: float, **extra: float) -> dict[str, float]:
    step = step_metrics([rollout("ls")]) | {"success": success, "entropy": 1 - success, "completions/mean_length": 5.0}
    return step | extra


def test_a_run_is_told_by_its_ends() -> None:
    history = [entry(0.0), entry(0.1), entry(0.2), entry(0.8, **{"success/copy": 0.5}), {"train_runtime": 1.0}]
    found = summary(history)
    assert found["steps"] == 4 and found["environment_steps"] == steps_spent(history) == 4
    assert found["first_quarter"]["success"] == 0.0 and found["last_quarter"]["success"] == 0.8
    assert found["curve"]["success"] == [0.0, 0.1, 0.2, 0.8]
    assert found["lowest_entropy"] == pytest.approx(0.2)
    assert found["success_by_kind"] == {"copy": 0.5, "write": 0.0}


def test_a_run_without_steps_is_refused() -> None:
    with pytest.raises(TrainError, match="without a single step"):
        summary([{"train_runtime": 1.0}])
