"""Places in the order over streams, as readers hold them."""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import dataclass
from typing import Self

from events.log.recorded import RecordedEvent


class BadCursor(ValueError):
    """A cursor is what an earlier page gave; this is not one."""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the order over streams. As text it is opaque."""

    transaction: int
    stream_id: int
    sequence: int

    @classmethod
    def of(cls, event: RecordedEvent) -> Self:
        """Return the place of an event."""
        return cls(event.transaction, event.stream_id, event.sequence)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the cursor that `text` is. Raises BadCursor."""
        if not _CURSOR.fullmatch(text):
            raise BadCursor(BadCursor.__doc__)
        numbers = _NUMBERS.unpack(base64.urlsafe_b64decode(text))
        if min(numbers) < 0:
            raise BadCursor(BadCursor.__doc__)
        return cls(*numbers)

    @property
    def key(self) -> tuple[int, int, int]:
        """Return what the order goes by."""
        return self.transaction, self.stream_id, self.sequence

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(_NUMBERS.pack(*self.key)).decode()


_NUMBERS = struct.Struct(">qqq")
_CURSOR = re.compile(r"[A-Za-z0-9_-]{32}")  # 24 bytes, without padding

START = Cursor(0, 0, 0)
"""Before every event."""
