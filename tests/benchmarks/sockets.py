"""A WebSocket client that costs little: a benchmark shares its two cores with what it measures.

It speaks as much of RFC 6455 as the server's answers need: text frames from the server, unfragmented, pings, closes.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
COMPRESSED = 0x40
DEFLATE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
TAIL = b"\x00\x00\xff\xff\x03\x00"
"""What RFC 7692 cuts off a message, and an empty last block."""
Take = Callable[[dict[str, Any], float], None]


class Socket(asyncio.Protocol):
    """Hands each frame, with the time of its arrival (CLOCK_MONOTONIC, seconds), to `take`.

    With `deflate` it asks for compression without memory between messages.
    """

    def __init__(self, url: str, token: str, take: Take, deflate: bool = False) -> None:
        parts = urlsplit(url)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Authorization: Bearer {token}",
        ]
        if deflate:
            lines.append(f"Sec-WebSocket-Extensions: {DEFLATE}")
        self._hello = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self._take = take
        self._received = bytearray()
        self.received_bytes = 0
        self.compressed = False
        """Whether the server took the offer."""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._code = 1006

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("The socket was refused."))
        if not self.closed.done():
            self.closed.set_result(self._code)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._received += data
        self.received_bytes += len(data)
        if not self.opened.done():
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._received.startswith(b"HTTP/1.1 101"):
                self.transport.close()
                return
            self.compressed = b"permessage-deflate" in self._received[:end]
            del self._received[: end + 4]
            self.opened.set_result(None)
        self._read_frames(now)

    def _read_frames(self, now: float) -> None:
        at, received = 0, self._received
        while len(received) >= at + 2:
            length, start = received[at + 1], at + 2
            if length == 126:
                start += 2
            elif length == 127:
                start += 8
            if len(received) < start:
                break
            if length >= 126:
                length = int.from_bytes(received[at + 2 : start], "big")
            if len(received) < start + length:
                break
            payload = bytes(received[start : start + length])
            if received[at] & COMPRESSED:
                payload = zlib.decompress(payload + TAIL, -15)
            self._frame(received[at] & 15, payload, now)
            at = start + length
        del received[:at]

    def _frame(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == TEXT:
            self._take(orjson.loads(payload), now)
        elif opcode == PING:
            self._write(PONG, payload)
        elif opcode == CLOSE:
            self._code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            self.transport.close()

    def send(self, frame: dict[str, Any]) -> None:
        """Send a frame."""
        self._write(TEXT, orjson.dumps(frame))

    def _write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
        self.transport.write(head + bytes(4) + payload)  # the mask of zeros changes nothing


async def connect(url: str, token: str, take: Take, deflate: bool = False) -> Socket:
    """Open a socket."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: Socket(url, token, take, deflate), parts.hostname, parts.port)
    await socket.opened
    return socket
