"""History over all streams: who may see what, which events, in an order that no late commit can break.

The order is (transaction, stream, sequence); docs/decisions/0013 says why that skips nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Self
from uuid import UUID

from events.event_types import CATALOGUE, UnknownEventType
from events.recorded import RecordedEvent

MAX_PAGE = 1000
"""Events in one page, at most."""


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
        try:
            numbers = _NUMBERS.unpack(base64.urlsafe_b64decode(text))
        except (binascii.Error, struct.error):
            raise BadCursor(BadCursor.__doc__) from None
        found = cls(*numbers)
        if str(found) != text or min(numbers) < 0:
            raise BadCursor(BadCursor.__doc__)
        return found

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(_NUMBERS.pack(self.transaction, self.stream_id, self.sequence)).decode()


_NUMBERS = struct.Struct(">qqq")  # 24 bytes: 32 characters without padding
_CURSOR = re.compile(r"[A-Za-z0-9_-]{32}")

START = Cursor(0, 0, 0)
"""Before every event."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events. What is left empty asks for nothing; `workspaces` and `installation` are what may be seen at all."""

    types: Collection[str] = ()
    """Patterns: `execution.*`."""
    sources: Collection[str] = ()
    """Patterns: `executions.*`."""
    workflow: UUID | None = None
    execution: UUID | None = None
    streams: Collection[str] = ()
    """Names; an event counts that any of them shows."""
    since: datetime | None = None
    until: datetime | None = None
    """Of the event's time: at or after `since`, before `until`."""
    text: str = ""
    """Somewhere in the event's data, as JSON text; in upper or lower case."""
    workspaces: Collection[UUID] | None = ()
    """Only events of these. None: of every workspace."""
    installation: bool = False
    """With the events of the installation itself, which belong to no workspace."""

    def fits(self, event: RecordedEvent) -> bool:
        """Tell whether an event that has just been recorded is one of these."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and where to go on."""

    events: list[RecordedEvent]
    cursor: Cursor
    """Give it as `after` to go on in the same direction, now or later. Never earlier than the page's last event."""
    more: bool
    """There is, or may be, more to read now."""
    complete: bool
    """False: the page ended because the search was long, not because it is full or there is nothing more."""


def matching_types(patterns: Collection[str]) -> frozenset[str]:
    """Return the types of the catalogue that fit any of the patterns. Raises UnknownEventType for one that none fits."""
    found: set[str] = set()
    for pattern in patterns:
        fitting = {name for name in CATALOGUE if fnmatchcase(name, pattern)}
        if not fitting:
            raise UnknownEventType(f"No event type fits {pattern!r}.")
        found |= fitting
    return frozenset(found)


def head() -> Cursor:
    """Return the place after every event that can be read now; what is read after it came later."""
    raise NotImplementedError


def read(filter: EventFilter, after: Cursor | None = None, limit: int = 500, newest_first: bool = False) -> Page:
    """Return up to `limit` (at most 1000) events that fit, in order from `after` on; `newest_first`: back from it.

    An event is read once no transaction is at work that might still commit one before it. Raises UnknownEventType.
    """
    raise NotImplementedError


def walk(filter: EventFilter, after: Cursor | None = None, newest_first: bool = False) -> Iterator[RecordedEvent]:
    """Yield every event that fits, page by page, until there are no more now."""
    raise NotImplementedError
