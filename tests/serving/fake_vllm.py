"""A fake: a real HTTP server that speaks the part of vLLM's API which we use, and has no vLLM in it.

In a test's own process it answers with the engine of this project; as a
process of its own (`install`) with one token, and misbehaves as told.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agentworld_dag.serving.settings import Serving

WINDOW = 1024
ONLY_TOKEN = 7
PIDS = "pids"
"""File below the fake's package with a line for every server: its process id and its child's."""


def settings(**changes: Any) -> Serving:
    chosen = {
        "engine": "vllm",
        "max_tokens": None,
        "dtype": "float32",
        "url": None,
        "memory_share": 0.4,
        "at_once": 64,
        "start_timeout_s": 60,
        "answer_timeout_s": 60,
        "options": (),
    }
    return Serving.model_validate(chosen | changes)


@dataclass
class Fake:
    url: str
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    most_open: int = 0


Choose = Callable[[dict[str, Any]], dict[str, Any] | tuple[int, str]]
"""From a request to the choice of its answer, or to a status and a text."""


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path, choose: Choose, port: int, key: str, window: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.fake = Fake(f"http://127.0.0.1:{self.server_port}/v1")
        self.key = key
        self.models = {"data": [{"id": "tiny", "root": str(root), "max_model_len": window}]}
        self._choose, self._open, self._lock = choose, 0, threading.Lock()

    def chosen(self, request: dict[str, Any], key: str) -> dict[str, Any] | tuple[int, str]:
        with self._lock:
            self._open += 1
            self.fake.most_open = max(self.fake.most_open, self._open)
            self.fake.asked.append(request)
            self.fake.keys.append(key)
        time.sleep(0.02)
        with self._lock:
            self._open -= 1
            return self._choose(request)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if self.path == "/health":
            self._send(200, {})
        elif self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            self._send(401, {"error": "Unauthorized"})
        else:
            self._send(200, self.server.models)

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = self.server.chosen(request, self.headers.get("Authorization", ""))
        if isinstance(found, tuple):
            self._send(found[0], {"error": {"message": found[1]}})
        else:
            self._send(200, {"choices": [found]})

    def _send(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def faking(root: Path, choose: Choose, port: int = 0, key: str = "", window: int = WINDOW) -> Iterator[Fake]:
    """A server of the checkpoint at `root`."""
    listening = Listener(root, choose, port, key, window)
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield listening.fake
    finally:
        listening.shutdown()
        listening.server_close()


def by_engine(engine: Any) -> Choose:
    """Answers of an engine in this process."""

    def choose(request: dict[str, Any]) -> dict[str, Any]:
        prompt = request["prompt"]
        if "prompt_logprobs" in request:
            held = engine.log_probabilities([prompt[:1]], [prompt[1:]], 0)[0]
            given = [{str(token): {"logprob": log}} for token, log in zip(prompt[1:], held, strict=True)]
            return {"prompt_logprobs": [None, *given]}
        engine.seed(request["seed"])
        ids = engine.generate_batch([prompt], request["max_tokens"], request["temperature"])[0]
        whole = ids if len(ids) == request["max_tokens"] else [*ids, *request["stop_token_ids"]]
        return {"token_ids": whole}

    return choose


def install(folder: Path, behaviour: str) -> str:
    """Writes a package `vllm` into `folder` whose server behaves so; returns the PYTHONPATH that finds it."""
    module = folder / "vllm" / "entrypoints" / "openai"
    module.mkdir(parents=True)
    (module / "api_server.py").write_text(
        f"from tests.serving.fake_vllm import main\nmain({behaviour!r}, {str(folder / PIDS)!r})\n"
    )
    return f"{folder}{os.pathsep}{Path(__file__).parents[2]}"


def main(behaviour: str, pids: str) -> None:
    """healthy, broken or full (ends at once), silent (never healthy), mortal (ends at the third prompt)."""
    options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:] if "=" in word)
    child = subprocess.Popen(["sleep", "600"])
    with Path(pids).open("a") as file:
        file.write(f"{os.getpid()} {child.pid}\n")
    if behaviour == "broken":
        sys.exit("loading\nRuntimeError: no room for the cache\nbye")
    if behaviour == "full":
        sys.exit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9.00 GiB")
    signal.signal(signal.SIGTERM, lambda *_: (child.kill(), os._exit(0)))  # as vLLM ends its engines
    if behaviour == "silent":
        time.sleep(600)
    served = [0]

    def choose(request: dict[str, Any]) -> dict[str, Any]:
        served[0] += 1
        if behaviour == "mortal" and served[0] == 3:
            sys.stderr.write("EngineDeadError: the device fell off\n")
            sys.stderr.flush()
            os._exit(3)
        return {"token_ids": [ONLY_TOKEN] * request["max_tokens"]}

    with faking(Path(options["model"]), choose, int(options["port"]), os.environ["VLLM_API_KEY"]):
        time.sleep(600)
