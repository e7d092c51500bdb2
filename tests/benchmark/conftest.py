from tests.environments.conftest import backend, terminal
from tests.trajectories.conftest import episode

__all__ = ["backend", "episode", "terminal"]
