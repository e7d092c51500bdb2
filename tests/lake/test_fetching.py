"""A version in the local lake is whole or not there."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from agentworld_dag.artifacts import is_complete
from agentworld_dag.errors import StoreError
from agentworld_dag.lake.fetching import fetch, read_file
from agentworld_dag.lake.manifest import manifest_of
from agentworld_dag.lake.publishing import publish
from agentworld_dag.lake.remote import Remote
from agentworld_dag.process import only_holder
from tests.lake.bucket import ASSET, MIB, files, make_artifact
from tests.lake.proxy import Fault, Proxy, Request

FETCHER = """
import sys
from pathlib import Path
from agentworld_dag.artifacts import is_complete
from agentworld_dag.errors import StoreError
from agentworld_dag.lake.fetching import fetch
from agentworld_dag.lake.remote import connected

try:
    print(fetch(connected(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), is_complete))
except StoreError as error:
    sys.exit(f"StoreError: {error}")
"""


def fetcher(remote: Remote, target: Path, most_bytes: int | None = None) -> "subprocess.Popen[str]":
    def limited() -> None:
        if most_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    command = [sys.executable, "-c", FETCHER, remote.url, ASSET, str(target)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limited)


@pytest.fixture
def published(remote: Remote, tmp_path: Path) -> dict[str, bytes]:
    folder = make_artifact(tmp_path / "a", size=3 * MIB)
    publish(remote, folder, ASSET)
    return files(folder)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "b" / "lake" / ASSET


def version_of(remote: Remote) -> str:
    [version] = [name for name in remote.names(ASSET) if "." not in name]
    return version


def test_nothing_is_fetched_where_nothing_is_published(remote: Remote, target: Path) -> None:
    assert not fetch(remote, ASSET, target, is_complete)
    assert not target.exists()
    assert read_file(remote, ASSET, "result.json") is None


def test_a_small_file_is_read_without_the_rest(remote: Remote, published: dict[str, bytes], proxy: Proxy) -> None:
    proxy.requests.clear()
    assert read_file(remote, ASSET, "result.json") == published["result.json"]
    assert read_file(remote, ASSET, "no such file") is None
    assert not proxy.asked("GET", "model.safetensors")


def test_a_small_file_is_compared_with_its_manifest(remote: Remote, published: dict[str, bytes]) -> None:
    remote.write(f"{ASSET}/{version_of(remote)}/result.json", b'{"by": "nobody"}')
    with pytest.raises(StoreError, match=r"result\.json does not have the bytes it was published with"):
        read_file(remote, ASSET, "result.json")


def test_the_work_of_a_stage_that_was_cut_short_is_replaced(
    remote: Remote, published: dict[str, bytes], target: Path
) -> None:
    (target / "trainer" / "checkpoint-5").mkdir(parents=True)
    (target / "metrics.jsonl").write_text("half")
    assert fetch(remote, ASSET, target, is_complete)
    assert files(target) == published
    assert not [path.name for path in target.parent.iterdir() if path.is_dir() and path != target]


def test_a_folder_in_which_a_stage_is_at_work_is_left_alone(
    remote: Remote, published: dict[str, bytes], target: Path
) -> None:
    target.mkdir(parents=True)
    with only_holder(target), pytest.raises(StoreError, match="another process is making"):
        fetch(remote, ASSET, target, is_complete)
    assert not is_complete(target)
    assert fetch(remote, ASSET, target, is_complete)
    assert files(target) == published


def test_two_that_fetch_at_once_get_it_and_it_is_sent_once(
    remote: Remote, published: dict[str, bytes], target: Path, proxy: Proxy
) -> None:
    proxy.requests.clear()
    proxy.befalls = lambda request: Fault(delay_s=0.5 if "metrics.jsonl" in request.path else 0)
    for process in [fetcher(remote, target), fetcher(remote, target)]:
        assert process.communicate(timeout=60)[0] == "True\n"
    assert files(target) == published
    assert len(proxy.asked("GET", "metrics.jsonl")) == 1


def test_flipped_bits_are_fetched_again(
    remote: Remote, published: dict[str, bytes], target: Path, proxy: Proxy
) -> None:
    proxy.befalls = lambda request: Fault(flipped="safetensors" in request.path and not request.number)
    assert fetch(remote, ASSET, target, is_complete)
    assert files(target) == published


def test_bytes_that_stay_wrong_are_refused_and_never_seen(
    remote: Remote, published: dict[str, bytes], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    remote.write(f"{ASSET}/{version_of(remote)}/checkpoint/model.safetensors", b"rot")
    with pytest.raises(StoreError, match="does not have the bytes it was published with"):
        fetch(remote, ASSET, target, is_complete)
    assert not target.exists()


def test_a_full_local_disk_is_named_and_leaves_nothing_torn(
    remote: Remote, published: dict[str, bytes], target: Path
) -> None:
    failed = fetcher(remote, target, most_bytes=MIB)
    assert "StoreError: no space left on the disk that holds" in failed.communicate(timeout=60)[1]
    assert failed.returncode == 1
    assert not target.exists()
    assert fetch(remote, ASSET, target, is_complete)
    assert files(target) == published


def test_a_fetcher_killed_in_the_middle_leaves_nothing_to_see_and_goes_on(
    remote: Remote, published: dict[str, bytes], target: Path, proxy: Proxy
) -> None:
    reached = threading.Event()

    def hanging(request: Request) -> Fault:
        if "metrics.jsonl" in request.path and not request.number:
            reached.set()
            time.sleep(20)
        return Fault()

    proxy.befalls = hanging
    killed = fetcher(remote, target)
    assert reached.wait(60)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not target.exists()
    assert fetch(remote, ASSET, target, is_complete)
    assert files(target) == published
    assert len(proxy.asked("GET", "model.safetensors")) == 1


def test_what_an_interrupted_fetch_of_another_version_left_is_not_mixed_in(
    remote: Remote, published: dict[str, bytes], target: Path
) -> None:
    aside = target.with_name(f".{target.name}.fetching")
    aside.mkdir(parents=True)
    (aside / "stray").write_text("of another version")
    (aside / "metrics.jsonl").write_text("other")
    assert fetch(remote, ASSET, target, is_complete)
    assert files(target) == published


def test_a_manifest_that_leads_out_of_the_folder_fetches_nothing(remote: Remote, target: Path, tmp_path: Path) -> None:
    manifest = json.loads(manifest_of(make_artifact(tmp_path / "a")).as_json())
    manifest["files"]["../../evil"] = manifest["files"]["result.json"]
    remote.write(f"{ASSET}/manifest.json", json.dumps(manifest).encode())
    with pytest.raises(StoreError, match="outside of its version"):
        fetch(remote, ASSET, target, is_complete)
    assert not target.parent.exists()
