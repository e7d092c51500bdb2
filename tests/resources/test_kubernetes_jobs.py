"""A contract test, not a test on a cluster: pods as a stand-in for the API server sees them, run as local processes.

What it shows is the pod that is asked for, checked against Kubernetes' schema,
and what the launcher makes of answers, endings and broken connections. Scheduling,
images, volumes, rights and GPUs are not tried here.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from agentworld_dag.artifacts import read_result
from agentworld_dag.resources.kubernetes_jobs import KubernetesJobs
from agentworld_dag.resources.kubernetes_pod import pod_name
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.script import Script
from tests.resources.kubernetes_stub import SCHEMA, Stub
from tests.resources.launching import launched, logged, reason, toy, trained
from tests.resources.on_kubernetes import NAME, SECRET


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
    splits: Path,
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
