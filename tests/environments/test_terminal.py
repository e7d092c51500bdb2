import asyncio
import random

import pytest

from agentworld_dag.environments import sandbox
from agentworld_dag.environments.explorers import random_command
from agentworld_dag.environments.protocol import Environment
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.errors import SandboxError, TrajectoryError

HOME = "cwd=~\ndocs/=\ndocs/list=red/blue\nmemo=cat"


def play(terminal: RealTerminal, *actions: str, state: str = HOME, seed: int = 0) -> list[str]:
    """Observations of an episode: of its reset, of every action, and its last state."""

    async def episode() -> list[str]:
        seen = [await terminal.reset(state, seed)]
        seen += [await terminal.step(action) for action in actions]
        return [*seen, await terminal.state()]

    try:
        return asyncio.run(episode())
    finally:
        asyncio.run(terminal.close())


def test_it_speaks_the_protocol(terminal: RealTerminal) -> None:
    environment: Environment = terminal
    assert environment.name == "terminal"
    assert "bash" in environment.action_space


def test_an_episode_starts_in_the_given_state(terminal: RealTerminal) -> None:
    assert play(terminal, state="cwd=~/docs\ndocs/=\ndocs/list=red") == [
        "~/docs$",
        "cwd=~/docs\ndocs/=\ndocs/list=red",
    ]


@pytest.mark.parametrize(
    "action, observation",
    [
        ("ls", "docs\nmemo\n~$"),
        ("cd docs", "~/docs$"),
        ("cat nothing", "cat: nothing: No such file or directory\n~[1]$"),
        ("rmdir docs", "rmdir: failed to remove 'docs': Directory not empty\n~[1]$"),
        ("nonsense", "bash: nonsense: command not found\n~[127]$"),
        ("echo )", "bash: syntax error near unexpected token `)'\nbash: `echo )'\n~[2]$"),
        ("cd nowhere", "bash: cd: nowhere: No such file or directory\n~[1]$"),
        ("test -d memo", "~[1]$"),
        ("printf abc", "abc\n~$"),
        ("printf '\\377'", "\\xff\n~$"),
        ("pwd", "/home/agent\n~$"),
        ("cd /home/agent/docs", "~/docs$"),
        ("", "~$"),
    ],
)
def test_observations(terminal: RealTerminal, action: str, observation: str) -> None:
    assert play(terminal, action)[1] == observation


def test_state_follows_the_truth(terminal: RealTerminal) -> None:
    state = play(terminal, "mv memo docs", "echo dog >> docs/list", "cd docs")[-1]
    assert state == "cwd=~/docs\ndocs/=\ndocs/list=red/blue/dog\ndocs/memo=cat"


def test_long_output_is_cut_visibly_and_the_prompt_kept(backend: sandbox.Backend) -> None:
    terminal = RealTerminal(5.0, 60)
    cut, whole = play(terminal, "seq 100", "seq 20")[1:3]
    assert len(cut) == 60
    assert cut.endswith("[...]\n~$")
    assert whole == "\n".join(map(str, range(1, 21))) + "\n~$"


def test_the_same_seed_gives_the_same_session(backend: sandbox.Backend) -> None:
    actions = [
        "echo $RANDOM $RANDOM",
        "ls -a",
        "env",
        "mkdir -p b a c; ls */.. ; grep -r cat",
        "type ls; hostname; ulimit -f",
    ]
    first, again, other = (play(RealTerminal(5.0, 2000), *actions, seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first[1] != other[1]


def test_a_random_session_repeats(backend: sandbox.Backend) -> None:
    def session() -> list[str]:
        async def episode() -> list[str]:
            terminal, rng, seen = RealTerminal(10.0, 400), random.Random(3), []
            await terminal.reset(HOME, 3)
            for _ in range(40):
                seen.append(await terminal.step(random_command(await terminal.state(), rng)))
            await terminal.close()
            return seen

        return asyncio.run(episode())

    assert session() == session()


def test_real_steps_are_counted_over_episodes(terminal: RealTerminal) -> None:
    play(terminal, "ls", "pwd")
    play(terminal, "ls")
    assert terminal.real_steps == 3


def test_episodes_do_not_see_each_other(terminal: RealTerminal) -> None:
    play(terminal, "echo secret > memo2; echo secret > /tmp/shared; x=5")
    assert play(terminal, "ls", "cat /tmp/shared", "echo $x")[1:4] == [
        "docs\nmemo\n~$",
        "cat: /tmp/shared: No such file or directory\n~[1]$",
        "\n~$",
    ]


def test_a_dead_episode_raises_until_reset(terminal: RealTerminal) -> None:
    async def episode() -> str:
        await terminal.reset(HOME, 0)
        with pytest.raises(SandboxError):
            await terminal.step("exit")
        with pytest.raises(SandboxError, match="over"):
            await terminal.step("ls")
        with pytest.raises(SandboxError):
            await terminal.state()
        await terminal.reset(HOME, 0)
        answer = await terminal.step("ls")
        await terminal.close()
        await terminal.close()
        return answer

    assert asyncio.run(episode()) == "docs\nmemo\n~$"


def test_no_episode_before_reset(terminal: RealTerminal) -> None:
    with pytest.raises(SandboxError, match="reset first"):
        asyncio.run(terminal.step("ls"))


def test_a_state_that_cannot_be_made_is_refused(terminal: RealTerminal) -> None:
    with pytest.raises(TrajectoryError, match="cannot be made"):
        play(terminal, state="cwd=~\nlink=%@/etc")
    with pytest.raises(SandboxError, match="initial state could not be made"):
        play(terminal, state="cwd=~/nowhere")
