"""A receiver of webhooks outside the platform: keeps what it was sent, and answers as a test says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.hostile import Hostile, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Request:
    """One request."""

    at: float
    """By `time.monotonic`."""
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")


Answer = Callable[[Request], bytes | None]
"""Returns what is sent back; None closes the connection, as one that was reset."""


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    """Return an answer."""
    lines = [f"HTTP/1.1 {code} Said", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Receiver:
    url: str
    requests: list[Request] = field(default_factory=list)
    answer: Answer = lambda request: OK
    at_once: int = 0
    """Requests that are being answered."""
    most_at_once: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answering(self, *answers: bytes | None) -> None:
        """Give these answers, in turn; the last one again and again."""
        left = list(answers)
        self.answer = lambda request: left.pop(0) if len(left) > 1 else left[0]

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.requests]

    def hang(self, request: Request) -> bytes:
        """Answer: not before the gate is open."""
        self.gate.wait(60)
        return OK

    def serve(self, connection: socket.socket, over: threading.Event) -> None:
        while received := read_request(connection):
            head, _, body = received.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
            request = Request(time.monotonic(), first.split(" ")[0], first.split(" ")[1], headers, body)
            with self.lock:
                self.requests.append(request)
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                said = self.answer(request)
            finally:
                with self.lock:
                    self.at_once -= 1
            if said is None:
                return
            connection.sendall(said)


@contextmanager
def receiving(answer: Answer | None = None) -> Iterator[Receiver]:
    """Receive while the block runs."""
    receiver = Receiver("")
    server = Hostile(receiver.serve)
    receiver.url = server.url
    if answer is not None:
        receiver.answer = answer
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.stop()
