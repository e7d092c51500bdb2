import pytest

from agentworld_dag.errors import EvaluationError
from agentworld_dag.monitoring.rollouts import Rollout, RolloutTurn


def test_the_share_is_of_all_turns_unusable_answers_included() -> None:
    turns = (RolloutTurn("ls", "a", "a", True), RolloutTurn("cd", None, "", False), RolloutTurn("ls", "b", "b", True))
    found = Rollout("episode 1", "cwd=~", (*turns, turns[1]))
    assert (found.exact_turns, found.exact_share) == (2, 0.5)


def test_a_rollout_without_a_turn_is_refused() -> None:
    with pytest.raises(EvaluationError, match="rollout 'episode 1' has no turn"):
        Rollout("episode 1", "cwd=~", ())
