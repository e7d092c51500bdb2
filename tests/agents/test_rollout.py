import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from agentworld_dag.agents import rollout
from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.agents.rollout import Policy, Rollout, run_policy
from agentworld_dag.environments.protocol import Task
from agentworld_dag.environments.tasks import make_task
from agentworld_dag.environments.terminal import RealTerminal
from tests.agents.conftest import WRITE
from tests.agents.scripted import call, scripted_policy

DONE = "done<|im_end|>"


def real() -> RealTerminal:
    return RealTerminal(action_timeout_s=2.0, max_observation_chars=400)


def play(policy: Policy, task: Task = WRITE) -> Rollout:
    return run_policy(policy, real, [task], seed=0)[0]


def sending(*commands: str) -> Callable[[str], str]:
    """A script that sends the commands in order, then stops."""

    def script(conversation: str) -> str:
        turn = conversation.count("<tool_response>")
        return call(commands[turn]) if turn < len(commands) else DONE

    return script


def test_a_solved_task_is_a_success_on_the_real_state(encoder: AgentEncoder) -> None:
    found = play(scripted_policy(encoder, sending("cat list", "echo gold > memo")))
    assert found.success and not found.failure
    assert found.actions == ("cat list", "echo gold > memo")
    assert found.observations == ("red\n~$", "~$")


def test_a_policy_reads_what_the_shell_answered(encoder: AgentEncoder) -> None:
    def script(conversation: str) -> str:
        seen = re.findall(r"<tool_response>\n(\w+)\n~\$", conversation)
        return call(f"echo {seen[0]} > copy") if len(seen) == 1 else DONE if seen else call("cat list")

    task = replace(WRITE, goal_state="copy=red\ncwd=~\nlist=red")
    policy = scripted_policy(encoder, script)
    # The second answer is a bare prompt, so the script goes on to its turn limit; the state is what counts.
    assert play(policy, task).success


def test_saying_done_without_doing_is_no_success(encoder: AgentEncoder) -> None:
    found = play(scripted_policy(encoder, lambda _: DONE))
    assert not found.success and found.actions == () and not found.failure and not found.invalid_messages


def test_the_turn_limit_ends_an_episode_without_asking_again(encoder: AgentEncoder) -> None:
    policy = scripted_policy(encoder, lambda _: call("pwd"), max_turns=3)
    assert play(policy).actions == ("pwd",) * 3
    assert policy.engine.batches == [1, 1, 1]  # pyright: ignore[reportAttributeAccessIssue]


def test_a_message_that_cannot_be_carried_out_ends_the_episode(encoder: AgentEncoder) -> None:
    found = play(scripted_policy(encoder, lambda _: "<tool_call>\nls\n</tool_call><|im_end|>"))
    assert found.invalid_messages == 1 and found.actions == () and not found.failure


def test_a_dead_shell_is_a_failed_rollout_even_with_the_goal_reached(encoder: AgentEncoder) -> None:
    found = play(scripted_policy(encoder, sending("echo gold > memo", "kill -9 $$", "pwd")))
    assert not found.success and found.failure
    assert found.actions == ("echo gold > memo", "kill -9 $$")


def test_an_episode_ends_before_its_context_outgrows_the_model(encoder: AgentEncoder) -> None:
    room = len(encoder.prompt(WRITE.instruction)) + 300
    policy = scripted_policy(encoder, lambda _: call("cat list"), max_tokens=room, max_turns=50)
    assert 0 < len(play(policy).actions) < 50


def test_rollouts_keep_the_order_of_tasks_over_several_batches(
    encoder: AgentEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "EPISODES_AT_ONCE", 2)
    tasks = [make_task("train", index) for index in range(5)]
    policy = scripted_policy(encoder, sending("pwd"))
    assert [found.task for found in run_policy(policy, real, tasks, seed=0)] == tasks
    assert policy.engine.batches == [2, 2, 2, 2, 1, 1]  # pyright: ignore[reportAttributeAccessIssue]
