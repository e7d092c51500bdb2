from tests.trajectories.conftest import episode

__all__ = ["episode"]
