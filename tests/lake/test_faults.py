"""A server or a network that fails: success all the same, or one clear line and never a torn version."""

from pathlib import Path

import pytest
from botocore.retries.standard import ExponentialBackoff

from agentworld_dag.artifacts import is_complete
from agentworld_dag.errors import StoreError
from agentworld_dag.lake import remote as connecting
from agentworld_dag.lake.fetching import fetch
from agentworld_dag.lake.publishing import publish, standing_version
from agentworld_dag.lake.remote import Remote
from tests.lake.bucket import ASSET, MIB, files, make_artifact
from tests.lake.proxy import Befalls, Fault, Proxy

ONCE: dict[str, Befalls] = {
    "500": lambda request: Fault(status=500 if not request.number else 0),
    "503 twice": lambda request: Fault(status=503 if request.number < 2 else 0),
    "reset in the middle of an upload": lambda request: Fault(cut_request=not request.number),
    "answer cut off": lambda request: Fault(cut_answer=not request.number),
    "slow": lambda request: Fault(delay_s=0.2),
}
ALWAYS: dict[str, tuple[Befalls, str]] = {
    "500": (lambda request: Fault(status=500), r"did not do what was asked \(\w+\), after repeated attempts"),
    "reset": (lambda request: Fault(cut_request=True), r"cannot be reached at http://127.0.0.1:\d+ \(\w+\)"),
}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore waits before it asks again, here a twentieth as long."""
    waits = ExponentialBackoff.delay_amount
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: waits(self, context) / 20)


@pytest.mark.parametrize("fault", ONCE)
def test_what_fails_for_a_while_succeeds(remote: Remote, proxy: Proxy, tmp_path: Path, fault: str) -> None:
    folder, target = make_artifact(tmp_path / "a", size=11 * MIB), tmp_path / "b" / "lake" / ASSET
    proxy.befalls = ONCE[fault]
    assert publish(remote, folder, ASSET)
    proxy.requests.clear()
    assert fetch(remote, ASSET, target, is_complete)
    assert files(target) == files(folder)


@pytest.mark.parametrize("fault", ALWAYS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_what_fails_for_good_says_so_and_publishes_nothing(
    remote: Remote, proxy: Proxy, tmp_path: Path, fault: str, method: str
) -> None:
    folder = make_artifact(tmp_path / "a", size=11 * MIB)
    befalls, told = ALWAYS[fault]
    proxy.befalls = lambda request: befalls(request) if request.method == method else Fault()
    with pytest.raises(StoreError, match=told):
        publish(remote, folder, ASSET)
    proxy.befalls = lambda request: Fault()
    assert standing_version(remote, ASSET) is None
    assert publish(remote, folder, ASSET)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comes before the remote, which takes its patience when it is connected."""
    monkeypatch.setattr(connecting, "READ_TIMEOUT_S", 0.3)


def test_an_answer_that_takes_too_long_is_asked_for_again_and_then_given_up(
    impatient: None, remote: Remote, proxy: Proxy, tmp_path: Path
) -> None:
    folder = make_artifact(tmp_path / "a")
    proxy.befalls = lambda request: Fault(delay_s=0.0 if request.number else 0.9)
    assert publish(remote, folder, ASSET)
    late = [request for request in proxy.requests if request.number]
    assert late, "some were asked again"
    proxy.befalls = lambda request: Fault(delay_s=0.9)
    with pytest.raises(StoreError, match=r"cannot be reached at http://127.0.0.1:\d+ \(\w*Timeout\w*\)"):
        publish(remote, folder, f"{ASSET}0")
    proxy.befalls = lambda request: Fault()
    assert standing_version(remote, f"{ASSET}0") is None


def test_a_broken_part_of_a_large_upload_is_no_version(remote: Remote, proxy: Proxy, tmp_path: Path) -> None:
    folder = make_artifact(tmp_path / "a", size=11 * MIB)
    proxy.befalls = lambda request: Fault(cut_request="partNumber=2" in request.path)
    with pytest.raises(StoreError, match="cannot be reached"):
        publish(remote, folder, ASSET)
    assert standing_version(remote, ASSET) is None
    assert not [request for request in proxy.requests if "if-none-match" in request.headers]


def test_a_download_that_breaks_for_good_is_never_seen(
    remote: Remote, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    publish(remote, make_artifact(tmp_path / "a", size=MIB), ASSET)
    proxy.befalls = lambda request: Fault(cut_answer="safetensors" in request.path)
    target = tmp_path / "b" / "lake" / ASSET
    with pytest.raises(StoreError):
        fetch(remote, ASSET, target, is_complete)
    assert not target.exists()
