"""HTTP on a raw socket, byte by byte, against a web process of the platform."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import requests

from tests.conftest import Platform
from tests.sites import Web
from workflow_platform.installation.embedded import free_port
from workflow_platform.installation.supervision import processes

TIMEOUT = 60.0
CLIENTS_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""A Sec-WebSocket-Key: that of RFC 6455."""


@dataclass(frozen=True)
class Answer:
    """One response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class Connection:
    """One connection to a web process."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), TIMEOUT)
        self.received = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def answer(self) -> Answer:
        """Return the next response. Raises EOFError when the server closes instead."""
        head = self._until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._until(b"\r\n"), 16):
                body += self._take(size + 2)[:-2]
            self._take(2)
        else:
            body = self._take(int(headers.get("content-length", 0)))
        return Answer(status, headers, body)

    def answered(self) -> bool:
        """Return whether something has come."""
        return bool(self.received or select.select([self.socket], [], [], 0)[0])

    def rest(self) -> bytes:
        """Return what comes until the server closes."""
        while self._more():
            pass
        rest, self.received = self.received, b""
        return rest

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.received:
            self._read()
        return self._take(self.received.index(mark) + len(mark))

    def _take(self, size: int) -> bytes:
        while len(self.received) < size:
            self._read()
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def _read(self) -> None:
        if not self._more():
            raise EOFError(self.received)

    def _more(self) -> bool:
        more = self.socket.recv(65_536)
        self.received += more
        return bool(more)


def head(method: str, path: str, *headers: str, host: str = "localhost") -> bytes:
    """Return the head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def send_without_end(connection: Connection, most: int) -> None:
    """Send chunks until there is an answer, at most so many bytes."""
    data = chunk(b"x" * 32_768)
    for _ in range(most // len(data)):
        if connection.answered():
            return
        connection.send(data)


@contextmanager
def web_process(platform: Platform, **settings: str) -> Iterator[Web]:
    """Run one more web process of the platform, with settings of its own."""
    port = free_port()
    (program,) = (each for each in processes("127.0.0.1", port, workers=1) if each.name == "web")
    log: Path = platform.folder / f"web-{uuid4().hex[:8]}.log"
    web = Web(program.command, log, platform.environment | settings, lambda: _answers(web.url), port=port)
    try:
        web.start()
        yield web
    finally:
        web.clear_away()


def _answers(url: str) -> bool:
    try:
        return requests.get(url + "/healthz", timeout=5).status_code == 200
    except requests.RequestException:
        return False
