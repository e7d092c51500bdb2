import asyncio

import pytest
from transformers.utils.chat_template_utils import get_json_schema

from agentworld_dag.agents.tools import OUT_OF_TURNS, ShellTool, read_task, task_row
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.trajectories.agent_chat import TOOLS
from tests.agents.conftest import WRITE


@pytest.fixture
def tool(terminal: RealTerminal) -> ShellTool:
    tool = ShellTool(terminal, max_turns=2)
    tool.reset(prompt="ignored", **task_row(WRITE, seed=3))
    return tool


async def send(tool: ShellTool, *commands: str) -> list[str]:
    try:
        return [await tool.bash(command) for command in commands]
    finally:
        await tool.environment.close()


def test_the_schema_in_every_prompt_is_the_one_trl_derives(tool: ShellTool) -> None:
    assert [get_json_schema(tool.bash)] == TOOLS


def test_trl_sees_one_tool() -> None:
    public = [name for name, member in vars(ShellTool).items() if callable(member) and not name.startswith("_")]
    assert sorted(public) == ["bash", "reset"]


def test_a_task_survives_the_dataset() -> None:
    assert read_task(task_row(WRITE, 3)["task"]) == WRITE


def test_commands_reach_the_shell_in_the_tasks_state(tool: ShellTool) -> None:
    assert asyncio.run(send(tool, "cat list")) == ["red\n~$"]
    assert tool.actions == ["cat list"] and tool.observations == ["red\n~$"] and not tool.failure


def test_turns_are_limited(tool: ShellTool, terminal: RealTerminal) -> None:
    assert asyncio.run(send(tool, "pwd", "pwd", "pwd"))[2] == OUT_OF_TURNS
    assert tool.over and terminal.real_steps == len(tool.actions) == 2


def test_a_dead_shell_is_recorded_and_ends_the_rollout(tool: ShellTool) -> None:
    asyncio.run(send(tool, "kill -9 $$"))
    assert tool.over and "shell" in tool.failure


def test_a_reset_forgets_the_last_rollout(tool: ShellTool) -> None:
    async def twice() -> str:
        await tool.bash("kill -9 $$")
        tool.reset(**task_row(WRITE, seed=4))
        return (await send(tool, "cat list"))[0]

    assert asyncio.run(twice()) == "red\n~$"
    assert tool.actions == ["cat list"] and not tool.failure
