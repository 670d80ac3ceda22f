"""A receiver of webhooks, as cheap as Python has it: `python -m tests.benchmarks.webhook_receiver`.

Prints its port. Answers each line of stdin with JSON: `reset` forgets, `count` says how many ids were taken, `look`
says what came: by id, when it first came, how often it came, how often it was taken. By path: `/ok` takes everything,
`/hang` never answers, `/flaky` fails three of ten first attempts, each in a way that its id decides, `/random` any
three of ten.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILURES: list[bytes | str | None] = [
    b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Slowly\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "hang",
    None,
    b"\x00\x01\x02 this is no HTTP \r\n\r\n",
]
"""None: the connection is reset."""
came: dict[str, list[Any]] = {}


class Receiver(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.held = transport, b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.held) < end + 4 + length:
                return
            self.held = self.held[end + 4 + length :]
            self.answer(head)

    def answer(self, head: bytes) -> None:
        at = head.find(b"webhook-id:")
        if at < 0:
            self.transport.write(OK)
            return
        id_ = head[at + 11 :].split(b"\r\n", 1)[0].strip().decode()
        seen = came.setdefault(id_, [time.time(), 0, 0])
        seen[1] += 1
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/hang"):
            return
        flaky = path.startswith(b"/flaky") and seen[1] == 1 and int(id_[-4:], 16) % 10 < 3
        if flaky or (path.startswith(b"/random") and random.random() < 0.3):
            self.fail(FAILURES[int(id_[-8:-4], 16) % len(FAILURES)] if flaky else random.choice(FAILURES))
            return
        seen[2] += 1
        self.transport.write(OK)

    def fail(self, failure: bytes | str | None) -> None:
        if failure is None:
            self.transport.abort()
        elif isinstance(failure, bytes):
            self.transport.write(failure)
            if b"HTTP/1.1" not in failure:
                self.transport.close()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Receiver, "127.0.0.2", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        if line == "reset":
            came.clear()
        print(
            json.dumps({"taken": sum(seen[2] > 0 for seen in came.values())} if line == "count" else came), flush=True
        )


if __name__ == "__main__":
    asyncio.run(main())
