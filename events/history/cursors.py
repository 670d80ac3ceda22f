"""Cursors: positions in the order over all streams, which readers keep."""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import dataclass
from typing import Self

from events.log.recorded import RecordedEvent


class BadCursor(ValueError):
    """The text is not a cursor. A cursor is the `next` of an earlier page."""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A position in the order over all streams. Its text is opaque."""

    transaction: int
    stream_id: int
    sequence: int

    @classmethod
    def of(cls, event: RecordedEvent) -> Self:
        """Return the position of an event."""
        return cls(event.transaction, event.stream_id, event.sequence)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text of a cursor. Raises BadCursor."""
        if not _CURSOR.fullmatch(text):
            raise BadCursor(BadCursor.__doc__)
        numbers = _NUMBERS.unpack(base64.urlsafe_b64decode(text))
        if min(numbers) < 0:
            raise BadCursor(BadCursor.__doc__)
        return cls(*numbers)

    @property
    def key(self) -> tuple[int, int, int]:
        """Return the sort key."""
        return self.transaction, self.stream_id, self.sequence

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(_NUMBERS.pack(*self.key)).decode()


_NUMBERS = struct.Struct(">qqq")
_CURSOR = re.compile(r"[A-Za-z0-9_-]{32}")  # 24 bytes, without padding

START = Cursor(0, 0, 0)
"""The position before every event."""
