"""A server or a network that fails: success all the same, or one clear line and never a torn version."""

from pathlib import Path

import pytest

from agentworld_dag.artifacts import is_complete
from agentworld_dag.errors import StoreError
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
