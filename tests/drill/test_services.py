"""The deployment of the drill, for real; what it does with a round is in tests/test_loop.py."""

import time
from pathlib import Path

import pytest

from agentworld_dag.drill.services import deployed
from agentworld_dag.home import Home
from agentworld_dag.jobs.instance import opened

pytestmark = pytest.mark.slow
SEEN_WITHIN_S = 180


def test_a_killed_daemon_is_started_again_and_all_parts_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AGENTWORLD_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "set again by what is tested")
    home = Home(tmp_path)
    (home.root / "mlflow").mkdir()
    with opened(home) as instance, deployed(home, {}) as deployment:
        killed = deployment.parts["daemon"]
        deployment.kill_daemon()
        assert killed.poll() == -9
        killed_at, deadline = time.time(), time.monotonic() + SEEN_WITHIN_S
        while not any(beat.timestamp > killed_at for beat in instance.get_daemon_heartbeats().values()):
            assert time.monotonic() < deadline, (deployment.logs / "daemon-again.log").read_text()[-2000:]
            time.sleep(0.5)
    assert all(part.poll() is not None for part in (killed, *deployment.parts.values()))
