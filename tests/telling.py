"""A server outside the platform that gives prepared answers, and tells what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.hostile import Hostile, hostile, read_request


class Telling:
    """Gives each path its answers in turn, the last one again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[bytes]] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, target, headers and body of each request."""
        self.url = ""

    def tell(self, path: str, body: bytes = b"", *headers: str, status: int = 200) -> None:
        lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}", "", ""]
        self.answers.setdefault(path, []).append("\r\n".join(lines).encode() + body)

    def __call__(self, connection: Any, over: threading.Event) -> None:
        while request := read_request(connection):
            head, _, body = request.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            self.asked.append((method, target, headers, body))
            answers = self.answers.get(target.partition("?")[0])
            if answers is None:
                connection.sendall(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
            else:
                connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])


@contextmanager
def telling() -> Iterator[Telling]:
    server = Telling()
    with hostile(server) as running:
        running_at: Hostile = running
        server.url = running_at.url.rstrip("/")
        yield server
