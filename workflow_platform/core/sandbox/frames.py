"""The protocol between a worker and a sandbox process: frames of byte strings over a socket.

A frame is the number of its parts (4 bytes), their lengths (8 bytes each), then the parts.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

JOINED_BYTES = 64 * 1024
"""Up to this size a frame goes out in one piece; larger parts are not copied together first."""
MAX_PARTS = 10_000


class FrameTooLarge(Exception):
    """A frame is larger than the receiver's limit."""


class WrongLength(Exception):
    """The pieces of a streamed part have another size than it says."""


@dataclass(frozen=True, slots=True)
class StreamedPart:
    """A part whose pieces are read while it is sent, so that it is never wholly in memory."""

    size: int
    pieces: Callable[[], Iterator[bytes]]

    def __len__(self) -> int:
        return self.size

    def read(self) -> Iterator[bytes]:
        """Yield the pieces. Raises WrongLength: the receiver waits for exactly `size` bytes."""
        left = self.size
        for piece in self.pieces():
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:
            raise WrongLength(f"{WrongLength.__doc__} It says {self.size}; the difference is {left}.")


Part = bytes | StreamedPart


def _nothing() -> None:
    """Continue to wait."""


def send(connection: socket.socket, parts: Sequence[Part], tick: Callable[[], None] = _nothing) -> None:
    """Send one frame. Each time the socket's own timeout passes, `tick` is called; what it raises ends the sending."""
    head = struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts))
    for piece in _pieces(head, parts):
        left = memoryview(piece)
        while left:
            try:
                left = left[connection.send(left) :]
            except TimeoutError:
                tick()


def _pieces(head: bytes, parts: Sequence[Part]) -> Iterator[bytes]:
    whole = [part for part in parts if isinstance(part, bytes)]
    if len(whole) == len(parts) and len(head) + sum(map(len, parts)) <= JOINED_BYTES:
        yield b"".join((head, *whole))
        return
    yield head
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from part.read()


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
