"""Reads a complete file, a chunk at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from executions.binaries.writing import CHUNK_BYTES
from executions.domain.errors import NodeError
from executions.models import Binary, BinaryChunk

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class BinaryGone(NodeError):
    """The content of the file was deleted."""


class BinaryReader(io.RawIOBase):
    """The content as a seekable file that holds one chunk in memory."""

    def __init__(self, binary: Binary) -> None:
        assert binary.size is not None
        self._binary, self.size = binary, binary.size
        self._position = 0
        self._held: tuple[int, bytes] = (-1, b"")

    @property
    def name(self) -> str:
        return self._binary.name

    @property
    def media_type(self) -> str:
        return self._binary.media_type

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"The position {base + offset} is negative.")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        number, skip = divmod(self._position, CHUNK_BYTES)
        if not view or self._position >= self.size:
            return 0
        piece = self._chunk(number)[skip : skip + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `begin` up to `end`, in pieces of at most CHUNK_BYTES."""
        end = self.size if end is None else min(end, self.size)
        while begin < end:
            number, skip = divmod(begin, CHUNK_BYTES)
            piece = self._chunk(number)[skip : skip + end - begin]
            yield piece
            begin += len(piece)

    def _chunk(self, number: int) -> bytes:
        if number != self._held[0]:
            self._held = (-1, b"")  # before the next one is read: not two at a time
            row = BinaryChunk.objects.filter(binary=self._binary, number=number).values_list("data", flat=True).first()
            if not row:
                raise BinaryGone(f"{BinaryGone.__doc__} Its name was {self._binary.name!r}.")
            self._held = (number, bytes(row))
        return self._held[1]
