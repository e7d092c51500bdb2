"""A contract test, not a test on a cluster: pods as a stand-in for the API server sees them, run as local processes.

What it shows is the pod that is asked for, checked against Kubernetes' schema,
and what the launcher makes of answers, endings and broken connections. Scheduling,
images, volumes, rights and GPUs are not tried here.
"""

import sys
import threading
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes_validate
import pytest
import yaml

from agentworld_dag.artifacts import read_result
from agentworld_dag.resources import kubernetes_jobs
from agentworld_dag.resources.kubernetes_jobs import KubernetesJobs
from agentworld_dag.resources.kubernetes_pod import pod_name
from agentworld_dag.resources.kubernetes_pods import Pods
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.script import Script
from tests.resources import outliving
from tests.resources.breakable import Breakable
from tests.resources.kubernetes_stub import SCHEMA, Stub, end_all
from tests.resources.launching import launched, logged, reason, toy, trained
from tests.small_loop import splits  # noqa: F401

SECRET = "hush-hush"
NAME = "toy-0123456789ab"


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    server = Stub(tmp_path_factory.mktemp("cluster"), {"lake-credentials": {"AWS_SECRET_ACCESS_KEY": SECRET}})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    end_all(server)


@pytest.fixture
def connection(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Breakable:
    """To the stub, through which the tests' own KUBECONFIG leads."""
    connection = Breakable(stub.server_address[1])
    named = {"name": "stub"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [named | {"cluster": {"server": f"http://127.0.0.1:{connection.port}"}}],
        "users": [named | {"user": {}}],
        "contexts": [named | {"context": {"cluster": "stub", "user": "stub"}}],
        "current-context": "stub",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return connection


@pytest.fixture
def jobs(connection: Breakable, request: pytest.FixtureRequest) -> KubernetesJobs:
    """In a namespace of the test's own."""
    namespace = f"n{abs(hash(request.node.name))}"
    return KubernetesJobs(
        tracking_uri="",
        image="registry.invalid/agentworld:1",
        namespace=namespace,
        python=sys.executable,
        secrets=["lake-credentials"],
        claims={"lake": "/lake"},
        node_selector={"gpu": "h100"},
        pod_security={"runAsNonRoot": True, "runAsUser": 1000},
        container_security={"allowPrivilegeEscalation": False},
        patience_s=60,
    )


def changed(jobs: KubernetesJobs, **changes: Any) -> KubernetesJobs:
    return KubernetesJobs(**(jobs.model_dump() | changes))


def test_a_pod_runs_to_its_end_and_its_log_is_the_step_s(jobs: KubernetesJobs, stub: Stub, tmp_path: Path) -> None:
    result, instance = launched(jobs, toy(tmp_path, "finish"), tmp_path)
    assert result.success
    assert read_result(toy(tmp_path, "").out)["metrics"] == {"attempts": 1}
    assert "attempt 1" in logged(result, instance)
    assert not [namespace for namespace, _ in stub.pods if namespace == jobs.namespace]


def test_a_pod_asks_for_what_the_preset_says_and_shows_no_secret(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path
) -> None:
    needs = {"gpus": 2, "processes": 2, "cpus": 3, "memory_gib": 1.5, "time_limit_s": 77, "grace_s": 9}
    needs |= {"queue": "team", "image": "x:2"}
    launched(jobs, toy(tmp_path, "finish"), tmp_path, **needs)
    body = stub.bodies[-1]
    spec, [container] = body["spec"], body["spec"]["containers"]
    amounts = {"cpu": "3", "memory": "1536Mi", "nvidia.com/gpu": "2"}
    assert container["resources"] == {"requests": amounts, "limits": amounts}
    assert (container["image"], spec["restartPolicy"]) == ("x:2", "Never")
    assert (spec["activeDeadlineSeconds"], spec["terminationGracePeriodSeconds"]) == (77, 9)
    assert body["metadata"]["name"] == NAME
    assert body["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    assert spec["nodeSelector"] == {"gpu": "h100"}
    assert spec["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1000}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False}
    assert {"name": "lake", "persistentVolumeClaim": {"claimName": "lake"}} in spec["volumes"]
    assert container["envFrom"] == [{"secretRef": {"name": "lake-credentials"}}]
    assert SECRET not in str(body)


@pytest.mark.slow
def test_training_in_pods_ends_with_the_weights_of_training_here(
    jobs: KubernetesJobs,
    tmp_path: Path,
    splits: Path,  # noqa: F811
) -> None:
    here = trained(LocalJobs(tracking_uri=""), tmp_path / "here", splits)
    assert trained(jobs, tmp_path / "pods", splits) == here


def test_the_schema_of_kubernetes_is_held_strictly(jobs: KubernetesJobs, stub: Stub, tmp_path: Path) -> None:
    launched(jobs, toy(tmp_path, "finish"), tmp_path)
    body = stub.bodies[-1]
    kubernetes_validate.validate(body, SCHEMA, strict=True)
    body["spec"]["containers"][0]["memory"] = "1Gi"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(body, SCHEMA, strict=True)


@pytest.mark.parametrize(
    ("ways", "told"),
    [
        ("refuse", "TrainError: found 3 actions, expected 4, drop one"),
        ("crash", "tests.resources.toy_stage failed: exit code 1, its traceback is in the step's stderr; "),
        ("no memory", "tests.resources.toy_stage out of memory: could not get 9 GiB; "),
        ("killed", "tests.resources.toy_stage lost: killed by SIGKILL; "),
    ],
)
def test_why_a_stage_ended_is_told_apart(jobs: KubernetesJobs, tmp_path: Path, ways: str, told: str) -> None:
    result, _ = launched(jobs, toy(tmp_path, ways), tmp_path, resumes=0)
    assert reason(result).startswith(told)


def container(state: dict[str, Any]) -> dict[str, Any]:
    status = {"name": "stage", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    return {"containerStatuses": [status]}


def ended(code: int, why: str) -> dict[str, Any]:
    return {"phase": "Failed"} | container({"terminated": {"exitCode": code, "reason": why}})


DISRUPTION = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "for another"}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (ended(137, "OOMKilled"), "out of memory: the kernel killed it at its limit of 4096Mi; "),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, "over its time limit; "),
        (ended(143, "Error") | {"reason": "DeadlineExceeded"}, "over its time limit; "),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            "pre-empted: Evicted: The node was low on resource: memory.; ",
        ),
        (ended(137, "Error") | {"conditions": [DISRUPTION]}, "pre-empted: PreemptionByScheduler: for another; "),
        (ended(75, "Error"), "pre-empted: asked to stop; "),
        (ended(143, "Error"), "pre-empted: asked to stop before it could keep anything; "),
        (
            {"phase": "Failed", "reason": "NodeLost", "message": "node is unresponsive"},
            "lost: NodeLost: node is unresponsive; ",
        ),
        (
            {"phase": "Pending"} | container({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
            "failed: ImagePullBackOff: no such image; ",
        ),
    ],
)
def test_what_the_cluster_does_to_a_pod_is_told_apart(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path, status: dict[str, Any], told: str
) -> None:
    stub.plan(status)
    result, _ = launched(jobs, toy(tmp_path, "finish"), tmp_path, resumes=0)
    assert reason(result).startswith(f"tests.resources.toy_stage {told}")


def test_a_pod_that_takes_too_long_is_told_so(jobs: KubernetesJobs, tmp_path: Path) -> None:
    result, _ = launched(jobs, toy(tmp_path, "sleep"), tmp_path, time_limit_s=8, grace_s=5)
    assert reason(result).startswith("tests.resources.toy_stage over its time limit; ")


def test_what_was_evicted_or_killed_goes_on_under_the_same_name(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path
) -> None:
    stub.plan({"phase": "Failed", "reason": "Evicted", "message": "short of disk"})
    script = toy(tmp_path, "killed,stopped,finish")
    result, instance = launched(jobs, script, tmp_path, resumes=3)
    assert result.success
    assert read_result(script.out)["metrics"] == {"attempts": 3}
    told = [line.split(":")[0] for line in logged(result, instance) if "resumes in" in line]
    assert told == ["pre-empted", "lost", "pre-empted"]


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
    impatient = changed(jobs, patience_s=1)
    told = outliving.gives_up_when_patience_is_over(impatient, tmp_path, connection)
    assert told.startswith("Kubernetes has been out of reach for 1 s: ")


def test_a_pod_of_the_same_name_that_fills_another_lake_is_left_alone(
    jobs: KubernetesJobs, stub: Stub, tmp_path: Path
) -> None:
    step = outliving.begun(jobs, elsewhere := preset_in(tmp_path / "elsewhere"), "sleep")
    result, _ = launched(jobs, toy(tmp_path, "finish"), tmp_path)
    step.kill()
    assert f"fills {toy(elsewhere, '').out}, expected {toy(tmp_path, '').out}" in reason(result)


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


def test_several_nodes_are_refused(jobs: KubernetesJobs, tmp_path: Path) -> None:
    script = replace(toy(tmp_path, "finish"), module="agentworld_dag.training.cpt")
    result, _ = launched(jobs, script, tmp_path, nodes=2)
    assert reason(result).startswith("ConfigError: agentworld_dag.training.cpt asks for 2 nodes, a pod has one")


def test_what_the_cluster_forbids_is_told(jobs: KubernetesJobs, stub: Stub, tmp_path: Path) -> None:
    stub.forbidden.add(jobs.namespace)
    result, _ = launched(jobs, toy(tmp_path, "finish"), tmp_path)
    assert reason(result).startswith("Kubernetes refused: 403 ")


def test_a_name_is_a_dns_label_that_keeps_the_fingerprint(tmp_path: Path) -> None:
    out = tmp_path / ("World_Model_" * 9) / "round-0001" / "0123456789ab"
    name = pod_name(Script("m", "round-0001", out, {}, {}, 0, False))
    assert len(name) <= 63
    assert name.endswith("world-model--0123456789ab")
    assert name.replace("-", "").isalnum()
    assert name[0].isalnum()
