"""Whose pod it is: a step attaches to its own, ends its own, and leaves those of others. A contract test as well."""

import threading
from copy import deepcopy
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from agentworld_dag.resources import kubernetes_jobs
from agentworld_dag.resources.kubernetes_jobs import KubernetesJobs
from agentworld_dag.resources.kubernetes_pods import Pods
from tests.resources import outliving
from tests.resources.breakable import Breakable
from tests.resources.kubernetes_stub import Stub
from tests.resources.launching import launched, logged, reason, toy
from tests.resources.on_kubernetes import NAME


def test_a_pod_that_vanishes_is_lost_and_goes_on(jobs: KubernetesJobs, stub: Stub, tmp_path: Path) -> None:
    key = (jobs.namespace, NAME)

    def vanish() -> None:
        outliving.until(lambda: outliving.attempts(tmp_path))
        pod = stub.pods.pop(key)
        pod.stop()

    threading.Thread(target=vanish).start()
    result, instance = launched(jobs, toy(tmp_path, "sleep,finish"), tmp_path, resumes=1)
    assert result.success
    assert any(line.startswith("lost: its pod is there no longer") for line in logged(result, instance))


def test_a_step_leaves_the_pod_that_another_step_has_begun_in_the_place_of_its_own(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    clear = Pods.clear

    def clear_late(pods: Pods, pod: Any) -> None:
        clear(pods, pod)
        pods.begin(stub.bodies[-1])
        taken.append(stub.pods[jobs.namespace, pod.metadata.name].uid)
        clear(pods, pod)

    monkeypatch.setattr(Pods, "clear", clear_late)
    launched(jobs, toy(tmp_path, "finish"), tmp_path)
    assert taken == [stub.pods[jobs.namespace, NAME].uid]


def test_a_step_that_is_cancelled_takes_its_pod_with_it(jobs: KubernetesJobs, stub: Stub, tmp_path: Path) -> None:
    outliving.ends_what_is_cancelled(jobs, tmp_path)
    assert not [namespace for namespace, _ in stub.pods if namespace == jobs.namespace]


def test_a_cancel_is_asked_for_again_when_the_connection_comes_back(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path, connection: Breakable
) -> None:
    outliving.ends_what_is_cancelled_without_a_connection(jobs, tmp_path, connection)
    assert not [namespace for namespace, _ in stub.pods if namespace == jobs.namespace]


def test_a_cancel_spares_the_pod_of_another_lake_that_has_the_name_by_now(
    jobs: KubernetesJobs, stub: Stub, connection: Breakable, tmp_path: Path
) -> None:
    theirs = begun_elsewhere(jobs, stub, tmp_path, {"phase": "Pending"})
    pods_of(jobs).stop(NAME, str(toy(tmp_path, "").out), 5)
    assert stub.pods[jobs.namespace, NAME].uid == theirs


def test_a_cancel_that_the_cluster_refuses_is_told_and_stays_a_cancel(
    jobs: KubernetesJobs, stub: Stub, connection: Breakable, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    theirs = begun_elsewhere(jobs, stub, tmp_path, {"phase": "Pending"})
    stub.undeletable.add(jobs.namespace)
    pods_of(jobs).stop(NAME, str(toy(tmp_path / "elsewhere", "").out), 5)
    assert stub.pods[jobs.namespace, NAME].uid == theirs
    told = capfd.readouterr().err
    assert f"pod {NAME} may go on (Kubernetes refused: 403 " in told
    assert f"stop it by `kubectl delete pod {NAME} -n {jobs.namespace}`" in told


def pods_of(jobs: KubernetesJobs) -> Pods:
    return Pods(dg.build_asset_context(), kubernetes_jobs._core(), jobs.namespace, patience_s=60)


def test_a_pod_outlives_its_step_and_the_next_step_attaches(jobs: KubernetesJobs, tmp_path: Path) -> None:
    outliving.attaches_to_what_is_there(jobs, tmp_path)


def test_a_pod_outlives_the_connection(jobs: KubernetesJobs, tmp_path: Path, connection: Breakable) -> None:
    outliving.outlives_its_connection(jobs, tmp_path, connection)


def test_a_cluster_that_stays_away_is_given_up(jobs: KubernetesJobs, tmp_path: Path, connection: Breakable) -> None:
    changes: dict[str, Any] = {"patience_s": 1}
    impatient = KubernetesJobs(**(jobs.model_dump() | changes))
    told = outliving.gives_up_when_patience_is_over(impatient, tmp_path, connection)
    assert told.startswith("Kubernetes has been out of reach for 1 s: ")


def test_a_pod_of_the_same_name_that_fills_another_lake_is_left_alone(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path
) -> None:
    step = outliving.begun(jobs, elsewhere := preset_in(tmp_path / "elsewhere"), "sleep")
    result, instance = launched(jobs, toy(tmp_path, "finish"), tmp_path)
    step.kill()
    assert f"fills {toy(elsewhere, '').out}, expected {toy(tmp_path, '').out}" in reason(result)
    assert "attempt 1" not in logged(result, instance)


def test_the_log_of_a_pod_that_makes_way_is_not_taken_for_that_of_the_next(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path
) -> None:
    script = toy(tmp_path, "refuse,refuse,finish")
    launched(jobs, script, tmp_path, resumes=0)
    stub.create(jobs.namespace, deepcopy(stub.bodies[-1]))
    outliving.until(lambda: not stub.pods[jobs.namespace, NAME].is_at_work())
    result, instance = launched(jobs, script, tmp_path)
    assert result.success
    assert [line for line in logged(result, instance) if line.startswith("attempt ")] == ["attempt 3"]


def test_a_pod_of_another_lake_is_left_alone_also_when_it_is_over(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path
) -> None:
    theirs = begun_elsewhere(jobs, stub, tmp_path, {"phase": "Succeeded"})
    result, _ = launched(jobs, toy(tmp_path, "finish"), tmp_path)
    assert f"fills {toy(tmp_path / 'elsewhere', '').out}, expected" in reason(result)
    assert stub.pods[jobs.namespace, NAME].uid == theirs


def begun_elsewhere(jobs: KubernetesJobs, stub: Stub, tmp_path: Path, status: dict[str, Any]) -> str:
    """The uid of a pod of that status which has the name of the toy's and fills another lake."""
    launched(jobs, toy(elsewhere := tmp_path / "elsewhere", "finish"), preset_in(elsewhere))
    stub.plan(status)
    stub.create(jobs.namespace, deepcopy(stub.bodies[-1]))
    return stub.pods[jobs.namespace, NAME].uid


def preset_in(folder: Path) -> Path:
    folder.mkdir()
    return folder
