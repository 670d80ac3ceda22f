"""A server outside the platform that tells what it was asked and answers when it is told to."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.surroundings import PATIENCE_SECONDS


class Answering(ThreadingHTTPServer):
    """Keeps the headers and the body of each request; holds the answers of a path back until the path's gate is open.

    The first answers have the `statuses`, the others 200. The first `free` requests wait for no gate.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.2", 0), _Handler)
        self.asked: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []
        self.answer: dict[str, Any] | None = None
        """The body, instead of the number of requests so far."""
        self.headers: dict[str, str] = {}
        self.free = 0
        self.gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.2:{self.server_port}/"

    def open(self, path: str = "") -> None:
        """Answer what waits, and what comes, at the path."""
        self.gates[f"/{path}"].set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked may be dead by now."""


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
        self.server.asked.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
        if len(self.server.asked) > self.server.free:
            self.server.gates[self.path].wait(PATIENCE_SECONDS)
        body = json.dumps(self.server.answer or {"asked": len(self.server.asked)}).encode()
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@contextmanager
def answering() -> Iterator[Answering]:
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            for gate in list(server.gates.values()):
                gate.set()
            server.shutdown()
            thread.join()
