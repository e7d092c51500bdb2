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


@contextmanager
def between(server_url: str) -> Iterator[Proxy]:
    server, lock = urlsplit(server_url), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                before = sum(r.method == self.command and r.path == self.path for r in proxy.requests)
                request = Request(self.command, self.path, headers, before)
                proxy.requests.append(request)
            fault = proxy.befalls(request)
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
            connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            kept = {n: v for n, v in answer.getheaders() if n.lower() not in ("transfer-encoding", "connection")}
            connection.close()
            return answer.status, kept, content

        def answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None = None) -> None:
            if fault and fault.cut_answer and not body:
                return self.reset()
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "date", "server"):
                    self.send_header(name, value)
            length = next((v for n, v in headers.items() if n.lower() == "content-length"), str(len(body)))
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            cut = fault is not None and fault.cut_answer
            self.wfile.write(body[: len(body) // 2] if cut else flip(body) if fault and fault.flipped else body)
            self.wfile.flush()
            if cut:
                self.reset()

        def reset(self) -> None:
            """RST instead of FIN: the peer meets a connection that broke, not one that ended."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None: ...

    listening = Quiet(("127.0.0.1", 0), Handler)
    proxy = Proxy(f"http://127.0.0.1:{listening.server_port}")
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield proxy
    finally:
        listening.shutdown()
        listening.server_close()
