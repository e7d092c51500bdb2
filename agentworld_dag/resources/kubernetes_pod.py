"""A stage as a pod of Kubernetes: what is asked of the cluster, and how to read what became of it.

Nothing here talks to a cluster. A pod is on one node.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentworld_dag.compute import Needs
from agentworld_dag.resources.ending import Ending, Reason, by_exit_code
from agentworld_dag.resources.script import Script

Pod = Any
"""The client's V1Pod, by whose types everything in it may be None."""
CONTAINER = "stage"
OUT = "agentworld/out"
"""Annotation of a pod: the folder it fills, by which a later step knows that the pod is its own."""
KUEUE = "kueue.x-k8s.io/queue-name"
GPU = "nvidia.com/gpu"
MAX_LABEL = 63
KILLED, TERMINATED = 137, 143
"""Exit codes of a container that a signal ended."""
STUCK = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
}
"""Why a container that waits is not waited for: most of these never end by themselves."""
DISRUPTED = {"DisruptionTarget", "TerminationTarget"}
"""Conditions by which Kubernetes, and Kueue, say that they took a pod away, and why."""
TAKEN_AWAY = {"Evicted", "NodeShutdown", "Preempting", "Shutdown", "Terminated"}
"""Reasons of a failed pod that older kubelets give without such a condition."""


@dataclass(frozen=True)
class Place:
    """What of a pod is the same for every stage."""

    image: str
    claims: Mapping[str, str]
    secrets: Sequence[str]
    node_selector: Mapping[str, str]
    service_account: str | None
    pod_security: Mapping[str, Any]
    container_security: Mapping[str, Any]


def pod_name(script: Script) -> str:
    """A DNS label. The end of the script's name is kept, for it is the fingerprint."""
    return re.sub(r"[^a-z0-9-]", "-", script.name.lower())[-MAX_LABEL:].lstrip("-")


def pod_body(
    script: Script, needs: Needs, place: Place, command: list[str], environment: Mapping[str, str], run_id: str
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(script),
            "labels": {"app.kubernetes.io/name": "agentworld"} | ({KUEUE: needs.queue} if needs.queue else {}),
            "annotations": {OUT: str(script.out), "dagster/run-id": run_id},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": needs.time_limit_s,
            "terminationGracePeriodSeconds": needs.grace_s,
            "automountServiceAccountToken": False,
            "containers": [_container(needs, place, command, environment)],
            "volumes": _volumes(place),
            "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}] if needs.gpus else [],
            "nodeSelector": dict(place.node_selector),
            "securityContext": dict(place.pod_security),
        }
        | ({"serviceAccountName": place.service_account} if place.service_account else {}),
    }


def _container(needs: Needs, place: Place, command: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    amounts = {"cpu": str(needs.cpus), "memory": f"{math.ceil(needs.memory_gib * 1024)}Mi"}
    amounts |= {GPU: str(needs.gpus)} if needs.gpus else {}
    mounts = [{"name": claim, "mountPath": path} for claim, path in place.claims.items()]
    return {
        "name": CONTAINER,
        "image": needs.image or place.image,
        "command": command,
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "securityContext": dict(place.container_security),
        "envFrom": [{"secretRef": {"name": secret}} for secret in place.secrets],
        # alike, so that the node takes the pod last when it runs short
        "resources": {"requests": amounts, "limits": amounts},
        "volumeMounts": [*mounts, {"name": "shm", "mountPath": "/dev/shm"}],
    }


def _volumes(place: Place) -> list[dict[str, Any]]:
    claims = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in place.claims]
    # a container has 64 MiB of shared memory otherwise, too little for data loaders and NCCL
    return [*claims, {"name": "shm", "emptyDir": {"medium": "Memory"}}]


def is_over(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def stuck(pod: Pod) -> str:
    """Why it will never start; empty while it may."""
    for status in pod.status.container_statuses or []:
        waiting = status.state.waiting
        if waiting and waiting.reason in STUCK:
            return f"{waiting.reason}: {waiting.message or status.image}"
    return ""


def waits_for(pod: Pod) -> str:
    """What the scheduler or a queue says about a pod that has no node yet."""
    conditions = pod.status.conditions or []
    return next((f"{it.reason}: {it.message}" for it in conditions if it.type == "PodScheduled" and it.message), "")


def pod_ending(pod: Pod, messages: Iterable[Any]) -> Ending:
    """Of a pod that is over, or stuck."""
    if pod.status.phase == "Succeeded":
        return Ending(Reason.FINISHED, "")
    if why := stuck(pod):
        return Ending(Reason.FAILED, why)
    if pod.status.reason == "DeadlineExceeded":
        return Ending(Reason.TIME_LIMIT, "")
    ended = next((it.state.terminated for it in pod.status.container_statuses or []), None)
    if ended and ended.reason == "OOMKilled":
        limit = pod.spec.containers[0].resources.limits["memory"]
        return Ending(Reason.OUT_OF_MEMORY, f"the kernel killed it at its limit of {limit}")
    if why := _taken_away(pod):
        return Ending(Reason.PREEMPTED, why)
    if ended is None:
        return Ending(Reason.LOST, f"{pod.status.reason or 'no reason given'}: {pod.status.message or 'no message'}")
    if ended.exit_code == KILLED:
        return Ending(Reason.LOST, "killed by SIGKILL")
    if ended.exit_code == TERMINATED:
        return Ending(Reason.PREEMPTED, "asked to stop before it could keep anything")
    return by_exit_code(ended.exit_code, messages)


def vanished(pod: Pod | None) -> Ending:
    """Of a pod that is there no longer, as it was last seen."""
    if pod and (why := _taken_away(pod)):
        return Ending(Reason.PREEMPTED, why)
    if pod and pod.metadata.deletion_timestamp:
        return Ending(Reason.PREEMPTED, "somebody deleted its pod")
    return Ending(Reason.LOST, "its pod is there no longer")


def _taken_away(pod: Pod) -> str:
    for condition in pod.status.conditions or []:
        if condition.type in DISRUPTED and condition.status == "True":
            return f"{condition.reason}: {condition.message}"
    if pod.status.reason in TAKEN_AWAY:
        return f"{pod.status.reason}: {pod.status.message}"
    return ""
