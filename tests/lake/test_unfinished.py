"""Checkpoints of an unfinished stage, from the machine that lost it to the one that goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.publishing import publish, standing_version
from agentworld_dag.lake.remote import Remote
from agentworld_dag.lake.shared import SharedLake
from agentworld_dag.lake.unfinished import pull_last_checkpoint, push_checkpoint
from tests.lake.bucket import ASSET, files, make_artifact
from tests.lake.proxy import Fault, Proxy

Machine = Callable[[str], SharedLake]


def checkpoint(lake: SharedLake, step: int, text: str = "weights") -> Path:
    folder = lake.root / ASSET / "trainer" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(f"{text} of step {step}")
    (folder / "optimizer.pt").write_text(f"moments of step {step}")
    return folder


def trainer(lake: SharedLake) -> Path:
    return lake.root / ASSET / "trainer"


def test_another_machine_goes_on_from_the_last_checkpoint(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    for step in (5, 10, 100):
        push_checkpoint(checkpoint(a, step), a)
    found = pull_last_checkpoint(trainer(b), lake=b)
    assert found == trainer(b) / "checkpoint-100"
    assert files(trainer(b) / "checkpoint-100") == files(trainer(a) / "checkpoint-100")


def test_the_last_two_are_kept(machine: Machine, remote: Remote) -> None:
    a = machine("a")
    for step in (5, 10, 100, 110):
        push_checkpoint(checkpoint(a, step), a)
    assert sorted(remote.names(f"{ASSET}/unfinished/trainer")) == ["checkpoint-100", "checkpoint-110"]


def test_a_machine_that_is_further_on_fetches_none(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    push_checkpoint(checkpoint(a, 10), a)
    assert pull_last_checkpoint(trainer(b), after_step=10, lake=b) is None
    assert pull_last_checkpoint(trainer(b), after_step=9, lake=b)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    machine: Machine, remote: Remote, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    a, b = machine("a"), machine("b")
    for step in (5, 10):
        push_checkpoint(checkpoint(a, step), a)
    proxy.befalls = lambda request: Fault(flipped=request.method == "GET" and "checkpoint-10/" in request.path)
    assert pull_last_checkpoint(trainer(b), lake=b) == trainer(b) / "checkpoint-5"
    assert not (trainer(b) / "checkpoint-10").exists()
    proxy.befalls = lambda request: Fault(flipped=request.method == "GET" and "safetensors" in request.path)
    with pytest.raises(StoreError, match=r"checkpoint-10.* does not have the bytes"):
        pull_last_checkpoint(trainer(b), lake=b)


def test_a_checkpoint_that_was_half_pushed_is_not_seen(machine: Machine, proxy: Proxy) -> None:
    a, b = machine("a"), machine("b")
    push_checkpoint(checkpoint(a, 5), a)
    proxy.befalls = lambda request: Fault(status=403 if "optimizer" in request.path else 0)
    with pytest.raises(StoreError):
        push_checkpoint(checkpoint(a, 10), a)
    proxy.befalls = lambda request: Fault()
    assert pull_last_checkpoint(trainer(b), lake=b) == trainer(b) / "checkpoint-5"


def test_a_local_one_that_is_not_whole_is_replaced(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    pushed = checkpoint(a, 10)
    push_checkpoint(pushed, a)
    torn = checkpoint(b, 10, "half")
    (torn / "optimizer.pt").unlink()
    assert pull_last_checkpoint(trainer(b), lake=b) == torn
    assert files(torn) == files(pushed)


def test_they_are_gone_when_the_stage_has_finished(machine: Machine, remote: Remote) -> None:
    a = machine("a")
    push_checkpoint(checkpoint(a, 10), a)
    finished = make_artifact(a.root.parent)
    assert a.publish(finished) == f"published: {remote.url}/{ASSET}"
    assert remote.names(f"{ASSET}/unfinished") == []
    assert standing_version(remote, ASSET)


def test_what_a_publisher_that_was_killed_left_is_removed_by_the_next(machine: Machine, remote: Remote) -> None:
    a, b = machine("a"), machine("b")
    push_checkpoint(checkpoint(a, 10), a)
    finished = make_artifact(a.root.parent)
    publish(remote, finished, ASSET)
    assert b.publish_if_missing(b.root / ASSET) == ""
    assert remote.names(f"{ASSET}/unfinished") == []


def test_checkpoints_that_cannot_be_removed_fail_nothing_that_is_published(
    machine: Machine, remote: Remote, proxy: Proxy
) -> None:
    a = machine("a")
    push_checkpoint(checkpoint(a, 10), a)
    finished = make_artifact(a.root.parent)
    proxy.befalls = lambda request: Fault(status=403 if request.method == "DELETE" else 0)
    told = f"checkpoints under {ASSET}/unfinished stay: {remote.url} may not be used with these keys"
    assert f"published: {remote.url}/{ASSET}; {told}" in a.publish(finished)
    assert a.publish_if_missing(finished).startswith(told)
    proxy.befalls = lambda request: Fault()
    assert a.publish_if_missing(finished) == ""
    assert remote.names(f"{ASSET}/unfinished") == []


def test_without_a_remote_or_outside_of_the_lake_nothing_happens(
    machine: Machine, proxy: Proxy, tmp_path: Path
) -> None:
    alone = SharedLake(tmp_path / "alone" / "lake", None)
    push_checkpoint(checkpoint(alone, 10), alone)
    assert pull_last_checkpoint(trainer(alone), lake=alone) is None
    push_checkpoint(checkpoint(SharedLake(tmp_path / "by hand", None), 10), machine("a"))
    assert not proxy.requests
