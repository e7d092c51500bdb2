"""A stand-in for the API server of Kubernetes on loopback: pods are created, read, followed and deleted.

It runs a pod's command as a process of this machine, in the environment the pod
names, and refuses a body that does not fit Kubernetes' schema. It schedules
nothing, pulls no image, mounts no volume and enforces no amount: what a cluster
would do about these is told to it (`plan`).
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import kubernetes_validate

SCHEMA = "1.30"


@dataclass
class Pod:
    body: dict[str, Any]
    log: Path
    process: "subprocess.Popen[bytes] | None"
    status: dict[str, Any] = field(default_factory=dict)
    """What a test has planned; empty for what the process does."""
    is_late: bool = False

    @property
    def uid(self) -> str:
        return self.body["metadata"]["uid"]

    def is_at_work(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def shown(self) -> dict[str, Any]:
        return self.body | {"status": self.status or self._status()}

    def _status(self) -> dict[str, Any]:
        if self.is_at_work():
            return {"phase": "Running", "containerStatuses": [self._container({"running": {}})]}
        assert self.process
        code = self.process.returncode
        code = code if code >= 0 else 128 - code
        ended = {"exitCode": code, "reason": "Error" if code else "Completed"}
        status = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [self._container({"terminated": ended})],
        }
        return status | ({"phase": "Failed", "reason": "DeadlineExceeded"} if self.is_late else {})

    def _container(self, state: dict[str, Any]) -> dict[str, Any]:
        container = self.body["spec"]["containers"][0]
        ready = "running" in state
        return {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": state,
        }

    def stop(self) -> None:
        """As a kubelet does: ask, and kill after the grace."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.body["spec"]["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stub(ThreadingHTTPServer):
    """State: the pods of a cluster, every body that asked for one, and how the next ones will go."""

    daemon_threads = True

    def __init__(self, folder: Path, secrets: dict[str, dict[str, str]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.secrets = folder, secrets
        self.pods: dict[tuple[str, str], Pod] = {}
        self.bodies: list[dict[str, Any]] = []
        self.planned: list[dict[str, Any]] = []
        self.forbidden: set[str] = set()
        """Namespaces in which nobody may create a pod."""
        self.undeletable: set[str] = set()
        """Namespaces in which nobody may delete one."""
        self.lock = threading.Lock()
        # a stage dies with the thread that started it, and a handler's thread dies with its connection
        self.spawner = ThreadPoolExecutor(1)

    def plan(self, *statuses: dict[str, Any]) -> None:
        """The next pods get these statuses, and run nothing; an empty one runs."""
        self.planned += statuses

    def create(self, namespace: str, body: dict[str, Any]) -> int:
        """The HTTP status of the answer."""
        if namespace in self.forbidden:
            return 403
        try:
            kubernetes_validate.validate(body, SCHEMA, strict=True)
        except kubernetes_validate.ValidationError:
            return 422
        key = (namespace, body["metadata"]["name"])
        with self.lock:
            if key in self.pods:
                return 409
            self.bodies.append(deepcopy(body))
            body["metadata"]["uid"] = str(uuid4())
            status = self.planned.pop(0) if self.planned else {}
            log = self.folder / f"{len(self.bodies)}.log"
            process = None if status else self.spawner.submit(self._run, body["spec"]["containers"][0], log).result()
            pod = self.pods[key] = Pod(body, log, process, status)
        deadline = threading.Timer(body["spec"]["activeDeadlineSeconds"], self._end_late, [pod])
        deadline.daemon = True
        deadline.start()
        return 201

    def delete(self, key: tuple[str, str]) -> None:
        pod = self.pods[key]
        pod.body["metadata"]["deletionTimestamp"] = datetime.now(UTC).isoformat()
        threading.Thread(target=self._take_away, args=(key, pod)).start()

    def _take_away(self, key: tuple[str, str], pod: Pod) -> None:
        pod.stop()
        self.pods.pop(key, None)

    def _end_late(self, pod: Pod) -> None:
        if pod.is_at_work():
            pod.is_late = True
            pod.stop()

    def _run(self, container: dict[str, Any], log: Path) -> "subprocess.Popen[bytes]":
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        for source in container["envFrom"]:
            environment |= self.secrets[source["secretRef"]["name"]]
        environment |= {one["name"]: one["value"] for one in container["env"]}
        with log.open("wb") as file:
            return subprocess.Popen(container["command"], env=environment, stdout=file, stderr=file)


class Handler(BaseHTTPRequestHandler):
    """/api/v1/namespaces/NAMESPACE/pods[/NAME[/log]]"""

    protocol_version = "HTTP/1.1"
    server: Stub  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = self.server.create(self._path()[0], body)
        self._answer(code, body if code == 201 else _refusal(code))

    def do_GET(self) -> None:
        namespace, name, *rest = self._path()
        pod = self.server.pods.get((namespace, name))
        if pod is None:
            self._answer(404, _refusal(404))
        elif not rest:
            self._answer(200, pod.shown())
        elif pod.process is None:
            self._answer(400, _refusal(400))
        else:
            self._stream(pod)

    def do_DELETE(self) -> None:
        namespace, name = self._path()
        pod = self.server.pods.get((namespace, name))
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        if pod is None:
            return self._answer(404, _refusal(404))
        if namespace in self.server.undeletable:
            return self._answer(403, _refusal(403))
        if asked.get("preconditions", {}).get("uid", pod.uid) != pod.uid:
            return self._answer(409, _refusal(409))
        self.server.delete((namespace, name))
        return self._answer(200, pod.body)

    def log_message(self, format: str, *args: object) -> None:
        """The terminal is the tests'."""

    def _path(self) -> list[str]:
        _, _, _, _, namespace, _, *rest = self.path.partition("?")[0].split("/")
        return [namespace, *rest]

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, pod: Pod) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for data in _followed(pod):
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True


def _followed(pod: Pod) -> Iterator[bytes]:
    with pod.log.open("rb") as file:
        while True:
            is_last = not pod.is_at_work()
            if data := file.read():
                yield data
            if is_last:
                return
            time.sleep(0.05)


def _refusal(code: int) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": f"refused with {code}"}


def end_all(stub: Stub) -> None:
    stub.shutdown()
    for pod in stub.pods.values():
        if pod.is_at_work() and pod.process:
            pod.process.send_signal(signal.SIGKILL)
