"""Sessions as the recorder would write them: states and answers given, or both played by a real shell."""

import asyncio
from collections.abc import Sequence

from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.trajectories.schema import Turn

HOME = "cwd=~\ndocs/=\ndocs/list=red/blue\nmemo=cat\nnote=owl/dog/cat"

SESSION = (
    Turn("ls", "docs\nmemo\nnote\n~$", HOME),
    Turn("cat memo", "cat\n~$", HOME),
    Turn("echo fox > memo", "~$", HOME.replace("memo=cat", "memo=fox")),
    Turn("wc -l note", "3 note\n~$", HOME.replace("memo=cat", "memo=fox")),
    Turn("cat memo", "fox\n~$", HOME.replace("memo=cat", "memo=fox")),
    Turn("rm memo", "~$", HOME.replace("memo=cat\n", "")),
    Turn("wc -l docs/list", "2 docs/list\n~$", HOME.replace("memo=cat\n", "")),
    Turn("cat memo", "cat: memo: No such file or directory\n~[1]$", HOME.replace("memo=cat\n", "")),
    Turn("cd docs", "~/docs$", HOME.replace("memo=cat\n", "").replace("cwd=~", "cwd=~/docs")),
    Turn("sort list", "blue\nred\n~/docs$", HOME.replace("memo=cat\n", "").replace("cwd=~", "cwd=~/docs")),
)
"""Begins in HOME."""


def played(terminal: RealTerminal, state: str, actions: Sequence[str]) -> list[Turn]:
    """What a real shell answered, each turn with the state after it."""

    async def episode() -> list[Turn]:
        await terminal.reset(state, seed=0)
        return [Turn(action, await terminal.step(action), await terminal.state()) for action in actions]

    try:
        return asyncio.run(episode())
    finally:
        asyncio.run(terminal.close())
