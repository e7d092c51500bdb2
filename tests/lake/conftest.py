"""A bucket of the test's own on a real endpoint, a proxy before it, and the environment that names both."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentworld_dag.lake.remote import Remote, connected
from agentworld_dag.lake.shared import SharedLake
from tests.lake.bucket import MIB, make_bucket, set_environment
from tests.lake.proxy import Proxy, between
from tests.lake.servers import moto


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def proxy(endpoint: str) -> Iterator[Proxy]:
    with between(endpoint) as proxy:
        yield proxy


@pytest.fixture
def url(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a lake in a bucket that nobody else has; the environment of this process and its children leads to it."""
    bucket = f"b{abs(hash(str(tmp_path))):x}"
    set_environment(monkeypatch, proxy.url, f"s3://{bucket}/team/lake", tmp_path / "home")
    make_bucket(proxy.url, bucket)
    proxy.requests.clear()
    yield f"s3://{bucket}/team/lake"
    connected.cache_clear()


@pytest.fixture
def remote(url: str) -> Remote:
    """With parts as small as the protocol lets them be."""
    return replace(connected(url), part_bytes=5 * MIB)


@pytest.fixture
def machine(remote: Remote, tmp_path: Path) -> Callable[[str], SharedLake]:
    """The lake as one of several machines sees it, each with a home of its own."""
    return lambda name: SharedLake(tmp_path / name / "lake", remote)
