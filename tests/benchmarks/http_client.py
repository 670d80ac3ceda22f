"""A client that costs little: requests over kept-alive connections, on one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class BadAnswer(Exception):
    """The server answered with something else than was expected."""


class Connection:
    """One HTTP/1.1 connection; reconnects when the server has closed it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()

    async def post(self, path: str, body: bytes, headers: Sequence[str] = ()) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        if self._writer is None or self._reader is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}:{self._port}", "Content-Type: application/json"]
        head = "\r\n".join([*lines, *headers, f"Content-Length: {len(body)}", "", ""])
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        received = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in answer[1:])}
        if received.get("transfer-encoding") == "chunked":
            content = await self._chunks()
        else:
            content = await self._reader.readexactly(int(received["content-length"]))
        if received.get("connection") == "close":
            self._writer.close()
            self._writer = None
        return int(answer[0].split()[1]), content

    async def _chunks(self) -> bytes:
        assert self._reader is not None
        content = b""
        while size := int(await self._reader.readline(), 16):
            content += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return content


@dataclass(frozen=True)
class Load:
    """What a run of many requests came to: seconds from request to answer, in all, and CPU of this client."""

    latencies: list[float]
    seconds: float
    client_cpu: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the latency in milliseconds that `share` of the requests did not exceed."""
        found = sorted(self.latencies)
        return found[min(len(found) - 1, int(len(found) * share))] * 1000


def load(
    url: str,
    path: str,
    *,
    clients: int,
    seconds: float,
    check: Callable[[int, bytes], bool],
    body: bytes = b"{}",
    headers: Callable[[], Sequence[str]] = tuple,
) -> Load:
    """Have so many clients post, each again as soon as it is answered; `headers` is asked for each request's own.
    Raises BadAnswer."""
    return asyncio.run(_load(url, path, clients, seconds, check, body, headers))


async def _load(
    url: str,
    path: str,
    clients: int,
    seconds: float,
    check: Callable[[int, bytes], bool],
    body: bytes,
    headers: Callable[[], Sequence[str]],
) -> Load:
    latencies: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()

    async def client() -> None:
        async with Connection(url) as connection:
            while time.perf_counter() - began < seconds:
                asked = time.perf_counter()
                status, content = await connection.post(path, body, headers())
                if not check(status, content):
                    raise BadAnswer(f"{path} answered {status}: {content[:500]!r}")
                latencies.append(time.perf_counter() - asked)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return Load(latencies, time.perf_counter() - began, time.process_time() - cpu)
