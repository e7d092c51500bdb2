import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agentworld_dag.training.judge import ChatJudge
from tests.small_loop import base, splits, stage

__all__ = ["base", "splits", "stage"]


@pytest.fixture
def endpoint():
    """A real HTTP server that answers as `answers` says, in order; the last answer repeats."""
    asked: list[dict] = []
    answers: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, content = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"choices": [{"message": {"content": content}}]}).encode())

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ChatJudge(f"http://127.0.0.1:{server.server_port}/v1", "judge", "", concurrency=1), asked, answers
    server.shutdown()
