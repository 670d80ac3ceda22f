"""A receiver that takes each Idempotency-Key once, as careful receivers do, and remembers everything it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.installation import OUTSIDE

Effect = tuple[str, str]
"""(execution, what of it)"""
SLOW_SECONDS = 1.5


@dataclass
class Asked:
    """What came with one Idempotency-Key: the effects it stood for, and how often it was sent."""

    effects: set[Effect] = field(default_factory=set)
    times: int = 0


class Effects(ThreadingHTTPServer):
    """Answers POSTs: `/flaky` with 503 the first time that it sees a key, `/slow` after a while, others at once."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__((OUTSIDE, 0), _Handler)
        self.by_key: defaultdict[str, Asked] = defaultdict(Asked)
        self.without_key = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{OUTSIDE}:{self.server_port}"

    def take(self, key: str | None, body: dict[str, Any]) -> int:
        """Note a request. Returns how often its key has been sent by now."""
        with self._lock:
            if key is None:
                self.without_key += 1
                return 1
            asked = self.by_key[key]
            asked.effects.add((body["execution"], str(body["effect"])))
            asked.times += 1
            return asked.times

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked may be dead by now."""


class _Handler(BaseHTTPRequestHandler):
    server: Effects

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        times = self.server.take(self.headers["Idempotency-Key"], body)
        if self.path == "/slow":
            time.sleep(SLOW_SECONDS)
        answer = json.dumps({"taken": body["effect"]}).encode()
        self.send_response(503 if self.path == "/flaky" and times == 1 else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@contextmanager
def effects_server() -> Iterator[Effects]:
    with Effects() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
