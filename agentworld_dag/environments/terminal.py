"""The real terminal: bash in a sandbox behind the environment protocol.

One instance is one episode at a time. An observation is what the command
printed, then the prompt with the true working directory: `~/docs$` after exit
code 0, `~/docs[1]$` after 1. Everything seeded and deterministic where a shell
can be: fixed environment, `$RANDOM` from the seed, no line numbers in bash's
own messages. Not fixed: times, pids and `ls -l`.
"""

import asyncio
import re
from typing import TYPE_CHECKING

from agentworld_dag.environments import file_system, images, sandbox
from agentworld_dag.environments.bash_session import BashSession
from agentworld_dag.errors import SandboxError
from agentworld_dag.home import home

if TYPE_CHECKING:  # a sandbox needs the standard library only
    from agentworld_dag.config import Collection

NAME = "terminal"
VERSION = "1"
"""Raised when the same action could be answered differently by the plain image."""

TASK_DESCRIPTION = (
    "You are a Linux terminal: you run bash commands in a small home directory and answer with their output."
)
ACTION_SPACE = (
    "One bash command per turn, such as ls, cat, cd, mkdir, rmdir, touch, rm, mv, cp, echo, wc, head, tail, grep, sort "
    "or test. The answer is what it prints, then a prompt with the working directory and a failing exit code."
)
TRUNCATED = "[...]"
FIRST_OBSERVATION = "~$"
"""What a reset shows when the initial state starts at home."""

_LINE_NUMBER = re.compile(r"^(?:bash|environment): (?:eval: )?line \d+: ", re.MULTILINE)
_MAX_UTF8_BYTES = 4


def real_terminal(limits: "Collection") -> "RealTerminal":
    """The real environment of every stage that needs one, in the image installed now. Raises ConfigError."""
    image = images.installed(home().terminal_image)
    return RealTerminal(limits.action_timeout_s, limits.max_observation_chars, image)


class RealTerminal:
    """A real shell; implements `environments.protocol.Environment`."""

    def __init__(self, action_timeout_s: float, max_observation_chars: int, image: str = images.PLAIN):
        """Raises ConfigError on an unknown image."""
        self._prelude = images.prelude(image)
        self.version = VERSION if image == images.PLAIN else f"{VERSION}+{image}"
        """What answers an action: the terminal's own version, and the image that is not the plain one."""
        self.sandbox: sandbox.Backend = sandbox.pick_backend()
        self.real_steps = 0
        """Commands sent to a real shell so far, over all episodes; setting up a state is not counted."""
        self._action_timeout_s = action_timeout_s
        self._max_observation_chars = max_observation_chars
        self._session: BashSession | None = None

    @property
    def name(self) -> str:
        return NAME

    @property
    def action_space(self) -> str:
        return ACTION_SPACE

    async def reset(self, initial_state: str, seed: int) -> str:
        """Start a fresh sandbox in `initial_state`. Raises SandboxError when it cannot be started or set up."""
        await self.close()
        self._session = BashSession(self.sandbox, self._action_timeout_s, self._max_observation_chars * _MAX_UTF8_BYTES)
        await asyncio.sleep(0)  # episodes that are reset together start their shells together
        setup = file_system.setup_command(initial_state)
        done = self._session.run(f"{setup} && RANDOM={seed % 2**15} && {self._prelude}")
        if done.exit_code != 0:
            raise SandboxError(f"the initial state could not be made: {done.output[:200]!r}; check its file names")
        return f"{self._cwd()}$"

    async def step(self, action: str) -> str:
        """Run one command. Raises SandboxError when the shell hangs or dies of it: the episode is over then."""
        session = self._live_session()
        self.real_steps += 1
        result = session.run(action.replace(sandbox.HOME, session.home))
        prompt = f"{self._cwd()}{f'[{result.exit_code}]' if result.exit_code else ''}$"
        return self._observation(result.output, result.truncated, prompt)

    async def state(self) -> str:
        session = self._live_session()
        return file_system.read_state(session.home_fd, session.process_fd, session.home)

    async def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _live_session(self) -> BashSession:
        if self._session is None:
            raise SandboxError("no episode is running; call reset first")
        return self._session

    def _cwd(self) -> str:
        session = self._live_session()
        return file_system.read_cwd(session.process_fd, session.home)

    def _observation(self, output: bytes, truncated: bool, prompt: str) -> str:
        text = output.decode(errors="backslashreplace").replace(self._live_session().home, sandbox.HOME)
        text = _LINE_NUMBER.sub("bash: ", text)
        room = max(0, self._max_observation_chars - len(prompt) - 1)
        if truncated or len(text) > room:
            text = text[: max(0, room - len(TRUNCATED))] + TRUNCATED
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{prompt}"
