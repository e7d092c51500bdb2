"""A real HTTP server that speaks the chat protocol and can be told to misbehave."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Said:
    """One answer of the server."""

    content: str | None = "ok"
    status: int = 200
    body: bytes | None = None
    """In place of a chat completion."""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False
    """The connection ends in the middle of the body."""


Answer = Callable[[dict[str, Any], int], Said]
"""From a request and how many came before it."""


@dataclass
class Server:
    url: str
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    open: int = 0
    """Requests without an answer yet."""
    most_open: int = 0


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                server.open += 1
                server.most_open = max(server.most_open, server.open)
                before = len(server.asked)
                server.asked.append(request)
                server.keys.append(self.headers.get("Authorization", ""))
            try:
                said = answer(request, before)
                time.sleep(said.delay_s)
                self._send(said)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                with lock:
                    server.open -= 1

        def _send(self, said: Said) -> None:
            body = said.body if said.body is not None else completion(said.content)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if said.cut else body)
            if said.cut:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None: ...

    listening = Quiet(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{listening.server_port}/v1")
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


def completion(content: str | None) -> bytes:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()
