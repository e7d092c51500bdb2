"""A version in the remote is whole or not there, and nobody's is lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.fetching import fetch
from agentworld_dag.lake.manifest import manifest_of
from agentworld_dag.lake.publishing import publish, standing_version
from agentworld_dag.lake.remote import Remote
from tests.lake.bucket import ASSET, MIB, files, make_artifact
from tests.lake.proxy import Fault, Proxy, Request

PUBLISHER = """
import sys
from pathlib import Path
from dataclasses import replace
from agentworld_dag.lake.publishing import publish
from agentworld_dag.lake.remote import connected

remote = replace(connected(sys.argv[1]), part_bytes=5 << 20)
print("won" if publish(remote, Path(sys.argv[2]), sys.argv[3]) else "second")
"""


def publisher(remote: Remote, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PUBLISHER, remote.url, str(folder), ASSET]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def fetched(remote: Remote, target: Path) -> dict[str, bytes] | None:
    """What a reader on another machine gets; None where nothing is published."""
    return files(target) if fetch(remote, ASSET, target, lambda folder: False) else None


def test_what_was_published_comes_back_as_it_was(remote: Remote, tmp_path: Path) -> None:
    folder = make_artifact(tmp_path / "a", size=11 * MIB)
    assert publish(remote, folder, ASSET)
    assert fetched(remote, tmp_path / "b" / "there") == files(folder)


def test_the_manifest_comes_last_and_is_put_on_a_condition(remote: Remote, proxy: Proxy, tmp_path: Path) -> None:
    publish(remote, make_artifact(tmp_path), ASSET)
    puts = [request for request in proxy.requests if request.method == "PUT"]
    assert [request.path.endswith(f"{ASSET}/manifest.json") for request in puts] == [False] * (len(puts) - 1) + [True]
    assert puts[-1].headers["if-none-match"] == "*"


def test_published_again_it_is_recognised_and_nothing_is_sent(remote: Remote, proxy: Proxy, tmp_path: Path) -> None:
    folder = make_artifact(tmp_path)
    assert publish(remote, folder, ASSET)
    proxy.requests.clear()
    assert publish(remote, folder, ASSET)
    assert not proxy.asked("PUT", "")


def test_the_first_version_stands_and_the_second_lies_beside_it(remote: Remote, tmp_path: Path) -> None:
    first, second = make_artifact(tmp_path / "a", "one"), make_artifact(tmp_path / "b", "two")
    assert publish(remote, first, ASSET)
    assert not publish(remote, second, ASSET)
    assert fetched(remote, tmp_path / "c" / "there") == files(first)
    beside = f"{ASSET}/{manifest_of(second).content}"
    assert {path: remote.read(f"{beside}/{path}") for path in files(second)} == files(second)
    assert remote.read(f"{beside}.json") == manifest_of(second).as_json()


def test_of_two_that_publish_at_once_one_wins_and_neither_is_torn(remote: Remote, proxy: Proxy, tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def together(request: Request) -> Fault:
        if "if-none-match" in request.headers and request.number < 2:
            both.wait(30)
        return Fault()

    proxy.befalls = together
    folders = [make_artifact(tmp_path / name, name) for name in ("a", "b")]
    writers = [publisher(remote, folder) for folder in folders]
    said = [writer.communicate(timeout=60)[0].strip() for writer in writers]
    assert sorted(said) == ["second", "won"]
    assert fetched(remote, tmp_path / "there") == files(folders[said.index("won")])
    lost = manifest_of(folders[said.index("second")])
    assert remote.read(f"{ASSET}/{lost.content}.json") == lost.as_json()


def test_a_publisher_killed_at_any_file_leaves_nothing_to_see_and_goes_on(
    remote: Remote, proxy: Proxy, tmp_path: Path
) -> None:
    folder = make_artifact(tmp_path / "a", size=11 * MIB)
    for put in range(5):
        reached = threading.Event()
        proxy.requests.clear()
        proxy.befalls = hanging_at(put, proxy, reached)
        writer = publisher(remote, folder)
        assert reached.wait(60)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        proxy.befalls = lambda request: Fault()
        assert fetched(remote, tmp_path / "b" / str(put)) is None
    assert publish(remote, folder, ASSET)
    assert fetched(remote, tmp_path / "b" / "there") == files(folder)


def hanging_at(number: int, proxy: Proxy, reached: threading.Event) -> Callable[[Request], Fault]:
    """The put of this number, or the conditional one before it, is never answered."""

    def befalls(request: Request) -> Fault:
        if request.method == "PUT" and (len(proxy.asked("PUT", "")) > number or "if-none-match" in request.headers):
            reached.set()
            time.sleep(20)
            return Fault(cut_request=True)
        return Fault()

    return befalls


def test_a_claim_whose_answer_got_lost_is_known_for_one_s_own(remote: Remote, proxy: Proxy, tmp_path: Path) -> None:
    proxy.befalls = lambda request: Fault(cut_answer="if-none-match" in request.headers and not request.number)
    assert publish(remote, make_artifact(tmp_path), ASSET)
    assert len([request for request in proxy.requests if "if-none-match" in request.headers]) == 2


def test_a_claim_waits_for_another_one_that_is_under_way(
    remote: Remote, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: waits.append(seconds) if seconds else None)
    busy = b"<Error><Code>ConditionalRequestConflict</Code></Error>"
    proxy.befalls = lambda request: Fault(
        status=409 if "if-none-match" in request.headers and request.number < 3 else 0, body=busy
    )
    assert publish(remote, make_artifact(tmp_path), ASSET)
    assert len(waits) == 3


def test_a_folder_that_changes_meanwhile_is_refused(remote: Remote, proxy: Proxy, tmp_path: Path) -> None:
    folder = make_artifact(tmp_path)

    def scribbling(request: Request) -> Fault:
        (folder / "result.json").write_text("other")
        return Fault()

    proxy.befalls = scribbling
    with pytest.raises(StoreError, match=r"result\.json changed while it was being published"):
        publish(remote, folder, ASSET)
    assert standing_version(remote, ASSET) is None


def test_bytes_that_arrive_as_others_are_noticed(remote: Remote, proxy: Proxy, tmp_path: Path) -> None:
    folder = make_artifact(tmp_path)
    proxy.befalls = lambda request: Fault(flipped_request="metrics.jsonl" in request.path)
    with pytest.raises(StoreError, match="other bytes than"):
        publish(remote, folder, ASSET)
    assert standing_version(remote, ASSET) is None
    proxy.befalls = lambda request: Fault()
    assert publish(remote, folder, ASSET)
    assert fetched(remote, tmp_path / "there") == files(folder)
