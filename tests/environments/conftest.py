from collections.abc import Callable, Iterator

import pytest

from agentworld_dag.environments import sandbox
from agentworld_dag.environments.bash_session import BashSession
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.errors import SandboxError

BACKENDS: tuple[sandbox.Backend, ...] = ("bwrap", "landlock")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[sandbox.Backend]:
    """Each isolation this host allows, chosen the way a user forces it."""
    monkeypatch.setenv(sandbox.FORCE_VARIABLE, request.param)
    sandbox.pick_backend.cache_clear()
    try:
        yield sandbox.pick_backend()
    except SandboxError as error:
        pytest.skip(str(error))
    finally:
        sandbox.pick_backend.cache_clear()


@pytest.fixture
def shells(backend: sandbox.Backend) -> Iterator[Callable[..., BashSession]]:
    """Starts sessions that are closed at the end of the test."""
    opened: list[BashSession] = []

    def start(timeout_s: float = 10.0, max_output_bytes: int = 10_000) -> BashSession:
        opened.append(BashSession(backend, timeout_s, max_output_bytes))
        opened[-1].wait_for_start()
        return opened[-1]

    yield start
    for session in opened:
        session.close()


@pytest.fixture
def shell(shells: Callable[..., BashSession]) -> BashSession:
    return shells()


@pytest.fixture
def terminal(backend: sandbox.Backend) -> RealTerminal:
    return RealTerminal(action_timeout_s=10.0, max_observation_chars=400)
