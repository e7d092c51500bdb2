"""The first stages of a round over PostgreSQL, an MLflow server and an S3 server; `make acceptance` turns all of it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentworld_dag.acceptance.loop import findings_of, point_at, table
from agentworld_dag.acceptance.servers import CEPH, Servers, scripted, servers_over
from agentworld_dag.home import REMOTE_LAKE, Home
from agentworld_dag.lake.remote import connected
from agentworld_dag.monitoring.champion import WORLD_MODEL
from tests.acceptance.installed import ceph_is_here, postgres_is_here
from tests.lake.bucket import KEY, SECRET, make_bucket
from tests.lake.servers import moto
from tests.preset_file import write_preset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not postgres_is_here(), reason="no PostgreSQL here; `make postgres` installs one"),
]


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Ceph where it is installed, moto elsewhere."""
    if ceph_is_here():
        with scripted(CEPH, tmp_path / "ceph") as variables:
            yield variables
        return
    with moto(tmp_path) as url:
        make_bucket(url, "lake")
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        yield {**keys, "AWS_ENDPOINT_URL": url, REMOTE_LAKE: "s3://lake"}


@pytest.fixture
def servers(s3: dict[str, str], tmp_path: Path) -> Iterator[Servers]:
    """This process's environment leads to them."""
    (tmp_path / "logs").mkdir()
    kept = dict(os.environ)
    connected.cache_clear()
    with servers_over(s3, tmp_path / "servers", tmp_path / "logs") as servers:
        point_at(servers)
        yield servers
    os.environ.clear()
    os.environ.update(kept)
    connected.cache_clear()


def test_the_first_stages_are_accepted(servers: Servers, tmp_path: Path) -> None:
    preset = write_preset(tmp_path / "preset.yaml")
    command = [sys.executable, "-m", "tests.acceptance.first_stages", str(preset)]
    findings = findings_of(command, Home(tmp_path / "home"), servers, tmp_path / "logs", [WORLD_MODEL])
    assert len(findings) == 9
    assert all(finding.holds for finding in findings), table(findings)
