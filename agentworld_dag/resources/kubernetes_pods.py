"""The calls to Kubernetes that the life of one stage's pod takes, each of which outlives a lost connection."""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from agentworld_dag.resources.kubernetes_pod import CONTAINER, OUT, Pod, is_over, stuck, waits_for
from agentworld_dag.resources.remote_job import POLL_S, STOP_PATIENCE_S, Answer, answered

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

ENGINE = "Kubernetes"
REQUEST_S = 30
QUIET_S = 60
"""A log that has been silent for so long may have lost its connection, and is opened again."""
LEEWAY_S = 60
NOT_FOUND, CONFLICT, TOO_MANY, SERVER_ERROR = 404, 409, 429, 500


@dataclass(frozen=True)
class Pods:
    """Of one namespace. Every method raises dg.Failure when the cluster refuses, or has been away for too long."""

    context: dg.AssetExecutionContext
    core: "CoreV1Api"
    namespace: str
    patience_s: float

    def begin(self, body: Mapping[str, Any]) -> None:
        """Create the pod, or find the one that makes the same artifact. One that is over makes way."""
        name = body["metadata"]["name"]
        while not self._is_begun(name, body):
            time.sleep(POLL_S)

    def _is_begun(self, name: str, body: Mapping[str, Any]) -> bool:
        pod = self._seen(name)
        if pod is None:
            return self._created(body)
        self._check_own(pod, body)
        if is_over(pod) or pod.metadata.deletion_timestamp:
            self.clear(pod)
            return False
        self.context.log.info(f"attached to pod {name}")
        return True

    def ended(self, name: str) -> tuple[Pod | None, bool]:
        """The pod when it is over or stuck, and True; or as it was last seen before it vanished, and False."""
        last, waited_for = None, ""
        while pod := self._seen(name):
            if is_over(pod) or stuck(pod):
                return pod, True
            if (why := waits_for(pod)) != waited_for:
                self.context.log.info(f"pod {name} waits, {why}" if why else f"pod {name} has a node")
            last, waited_for = pod, why
            time.sleep(POLL_S)
        return last, False

    def stop(self, name: str, out: str, grace_s: float) -> None:
        """Ask the stage that fills `out` to stop and wait until its pod is gone. Tells what keeps it from that."""
        patient = replace(self, patience_s=min(self.patience_s, STOP_PATIENCE_S))
        try:
            pod = patient._seen(name)
            if pod and _filled_by(pod) == out:
                patient.clear(pod, grace_s + LEEWAY_S)
        except dg.Failure as failure:  # the caller is being cancelled, and nothing may take the place of that
            by_hand = f"stop it by `kubectl delete pod {name} -n {self.namespace}`"
            self.context.log.error(f"pod {name} may go on ({failure.description}); {by_hand}")

    def clear(self, pod: Pod, within_s: float = math.inf) -> None:
        """Delete this very pod and wait until it is gone: by its name alone it could be one that took its place."""
        name, uid = pod.metadata.name, pod.metadata.uid
        self._answered(partial(self._delete, name, uid))
        deadline = time.monotonic() + within_s
        while (there := self._seen(name)) and there.metadata.uid == uid:
            if time.monotonic() > deadline:
                raise dg.Failure(f"still there {within_s:g} s after it was deleted", allow_retries=False)
            time.sleep(POLL_S)

    def lines(self, name: str) -> Iterator[str]:
        """The log as far as it goes, whole lines. Raises ConnectionError while there is none."""
        from kubernetes.client import ApiException

        try:
            with _reaching():
                yield from self._lines(name)
        except ApiException as error:  # no container yet, or no pod any more
            raise ConnectionError(f"{error.status} {error.reason}") from error

    def _lines(self, name: str) -> Iterator[str]:
        response: Any = self.core.read_namespaced_pod_log(
            name,
            self.namespace,
            container=CONTAINER,
            follow=True,
            _preload_content=False,
            _request_timeout=(REQUEST_S, QUIET_S),
        )
        with closing(response):
            for line in response:
                if line.endswith(b"\n"):
                    yield line.decode(errors="replace").rstrip("\n")

    def _answered(self, ask: Callable[[], Answer]) -> Answer:
        from kubernetes.client import ApiException

        try:
            return answered(self.context, ENGINE, self.patience_s, ask)
        except ApiException as error:
            raise dg.Failure(
                f"Kubernetes refused: {error.status} {error.body or error.reason}", allow_retries=False
            ) from error

    def _seen(self, name: str) -> Pod | None:
        return self._answered(partial(self._read, name))

    def _created(self, body: Mapping[str, Any]) -> bool:
        """False when another one has the name by now."""
        return self._answered(partial(self._create, body))

    def _check_own(self, pod: Pod, body: Mapping[str, Any]) -> None:
        found = _filled_by(pod)
        expected = body["metadata"]["annotations"][OUT]
        if found != expected:
            told = f"pod {pod.metadata.name} fills {found}, expected {expected}: give every lake a namespace of its own"
            raise dg.Failure(told, allow_retries=False)

    def _create(self, body: Mapping[str, Any]) -> bool:
        with _reaching():
            return _unless((CONFLICT,), partial(self.core.create_namespaced_pod, self.namespace, body)) is not None

    def _read(self, name: str) -> Pod | None:
        with _reaching():
            return _unless((NOT_FOUND,), partial(self.core.read_namespaced_pod, name, self.namespace))

    def _delete(self, name: str, uid: str) -> None:
        """`uid`: of the pod that is meant; one of another stays."""
        from kubernetes.client import V1DeleteOptions, V1Preconditions

        meant = V1DeleteOptions(preconditions=V1Preconditions(uid=uid))
        with _reaching():
            delete = partial(self.core.delete_namespaced_pod, name, self.namespace, body=meant)
            _unless((NOT_FOUND, CONFLICT), delete)


def _filled_by(pod: Pod) -> str | None:
    """The folder of its artifact."""
    return (pod.metadata.annotations or {}).get(OUT)


def _unless(statuses: Collection[int], call: Callable[..., Any]) -> Any:
    """The answer; None when it is one of those statuses."""
    from kubernetes.client import ApiException

    try:
        return call(_request_timeout=REQUEST_S)
    except ApiException as error:
        if error.status not in statuses:
            raise
        return None


@contextmanager
def _reaching() -> Iterator[None]:
    """What may be another answer later becomes a ConnectionError; a refusal stays what it is."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except HTTPError as error:
        raise ConnectionError(str(error)) from error
    except ApiException as error:
        if error.status == TOO_MANY or (error.status or 0) >= SERVER_ERROR:
            raise ConnectionError(f"{error.status} {error.reason}") from error
        raise
