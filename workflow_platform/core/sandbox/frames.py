"""The protocol between a worker and a sandbox process: frames of byte strings over a socket.

A frame is the number of its parts (4 bytes), their lengths (8 bytes each), then the parts.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence

JOINED_BYTES = 64 * 1024
"""Up to this size a frame goes out in one piece; larger parts are not copied together first."""
MAX_PARTS = 10_000


class FrameTooLarge(Exception):
    """A frame is larger than the receiver's limit."""


def _nothing() -> None:
    """Continue to wait."""


def send(connection: socket.socket, parts: Sequence[bytes], tick: Callable[[], None] = _nothing) -> None:
    """Send one frame. Each time the socket's own timeout passes, `tick` is called; what it raises ends the sending."""
    head = struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts))
    joined = len(head) + sum(map(len, parts)) <= JOINED_BYTES
    for piece in [b"".join((head, *parts))] if joined else [head, *parts]:
        left = memoryview(piece)
        while left:
            try:
                left = left[connection.send(left) :]
            except TimeoutError:
                tick()


def receive(connection: socket.socket, limit: int, tick: Callable[[], None] = _nothing) -> list[bytes]:
    """Return the parts of one frame of at most `limit` bytes; `tick` as for `send`. Raises EOFError, FrameTooLarge."""
    (count,) = struct.unpack("<I", _exactly(connection, 4, tick))
    if count > MAX_PARTS:
        raise FrameTooLarge(f"A frame has {count} parts.")
    lengths = struct.unpack(f"<{count}Q", _exactly(connection, 8 * count, tick))
    if sum(lengths) > limit:
        raise FrameTooLarge(f"A frame has {sum(lengths)} bytes; at most {limit} are taken.")
    return [_exactly(connection, length, tick) for length in lengths]


def _exactly(connection: socket.socket, count: int, tick: Callable[[], None]) -> bytes:
    held = bytearray(count)
    left = memoryview(held)
    while left:
        try:
            got = connection.recv_into(left)
        except TimeoutError:
            tick()
            continue
        if got == 0:
            raise EOFError("The peer closed the connection.")
        left = left[got:]
    return bytes(held)
