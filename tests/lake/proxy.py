"""A proxy between an S3 client and its server that does to each request as it is told."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """With the query."""
    headers: dict[str, str]
    """Names in lower case."""
    number: int
    """How many requests of the same method and path came before."""


@dataclass
class Fault:
    """What befalls a request; by default nothing."""

    status: int = 0
    """Answered by the proxy itself, with `body`."""
    body: bytes = b""
    delay_s: float = 0.0
    """Before the request is passed on."""
    cut_request: bool = False
    """The connection is reset after half of what the client sends."""
    cut_answer: bool = False
    """It is reset after half of what the server sends, which has done its work by then."""
    flipped_request: bool = False
    """One bit of what arrives is another."""
    flipped: bool = False
    """One bit of the answer's body is another."""


Befalls = Callable[[Request], Fault]


@dataclass
class Proxy:
    url: str
    befalls: Befalls = lambda request: Fault()
    requests: list[Request] = field(default_factory=list)

    def asked(self, method: str, part: str) -> list[Request]:
        """Requests of a method with this in their path."""
        return [request for request in self.requests if request.method == method and part in request.path]


def flip(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1]) if body else body


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, server_url: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = urlsplit(server_url)
        self.proxy = Proxy(f"http://127.0.0.1:{self.server_port}")
        self._lock = threading.Lock()

    def recorded(self, method: str, path: str, headers: dict[str, str]) -> Request:
        with self._lock:
            before = sum(r.method == method and r.path == path for r in self.proxy.requests)
            self.proxy.requests.append(Request(method, path, headers, before))
            return self.proxy.requests[-1]

    def handle_error(self, request: Any, client_address: Any) -> None: ...


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.server.proxy.befalls(self.server.recorded(self.command, self.path, headers))
        length = int(headers.get("content-length", 0))
        body = self.rfile.read(length // 2 if fault.cut_request else length)
        if fault.cut_request:
            return self.reset()
        time.sleep(fault.delay_s)
        if fault.status:
            return self.answer(fault.status, {}, fault.body)
        self.answer(*self.passed_on(flip(body) if fault.flipped_request else body), fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    def passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.behind.hostname or "", self.server.behind.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        kept = {n: v for n, v in answer.getheaders() if n.lower() not in ("transfer-encoding", "connection")}
        connection.close()
        return answer.status, kept, content

    def answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None = None) -> None:
        fault = fault or Fault()
        if fault.cut_answer and not body:
            return self.reset()
        self.send_head(status, headers, len(body))
        if self.command == "HEAD":
            return
        self.wfile.write(body[: len(body) // 2] if fault.cut_answer else flip(body) if fault.flipped else body)
        self.wfile.flush()
        if fault.cut_answer:
            self.reset()

    def send_head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "date", "server"):
                self.send_header(name, value)
        told = next((v for n, v in headers.items() if n.lower() == "content-length"), str(length))
        self.send_header("Content-Length", told if self.command == "HEAD" else str(length))
        self.end_headers()

    def reset(self) -> None:
        """RST instead of FIN: the peer meets a connection that broke, not one that ended."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def between(server_url: str) -> Iterator[Proxy]:
    listening = Listener(server_url)
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield listening.proxy
    finally:
        listening.shutdown()
        listening.server_close()
