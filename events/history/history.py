"""History over all streams: who may see what, which events, in an order that no late commit can break.

The order is (transaction, stream, sequence); docs/decisions/0013 says why that skips nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from events.history import scanning
from events.history.cursors import START, Cursor
from events.history.event_filter import EventFilter
from events.history.scanning import Query, ScanPosition
from events.log.recorded import RecordedEvent

__all__ = ["START", "Cursor", "EventFilter", "Page", "count", "head", "read", "walk"]

MAX_PAGE = 1000
"""Events in one page, at most."""
AT_ONCE = 5000
"""Events that `walk` holds: a page costs a look into each workspace's index, of each day, whatever it brings."""
SEARCH_SECONDS = 1.5
"""How long one page may search. What it found by then is the page, and it says that there may be more."""
STEP_SECONDS = 0.25
FIRST_STEP, MOST_ROWS = 2_000, 200_000
"""Rows that a search looks at before it looks at the clock."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and where to go on."""

    events: list[RecordedEvent]
    cursor: Cursor
    """Give it as `after` to go on in the same direction, now or later. Never before the page's last event."""
    more: bool
    """There is, or may be, more to read now."""
    complete: bool
    """False: the page ended because the search was long, not because it is full or there is nothing more."""


def head(wanted: EventFilter) -> Cursor:
    """Return the place after every event of these workspaces, streams and times that can be read now.

    What is read from there comes later. Conditions that are looked at event by event (types, text, …) make no odds.
    """
    asked = wanted.question()
    if asked is None:
        return START
    found = scanning.last(asked, scanning.safe_before())
    return Cursor(*found) if found else START


def read(wanted: EventFilter, after: Cursor | None = None, limit: int = 500, newest_first: bool = False) -> Page:
    """Return up to `limit` (at most 1000) events that fit, in order from `after` on; `newest_first`: back from it.

    An event is read once no transaction is at work that might still commit one before it. Raises UnknownEventType, and
    BadPattern for a source.
    """
    return _page(wanted, after, min(limit, MAX_PAGE), newest_first)


def _page(wanted: EventFilter, after: Cursor | None, limit: int, newest_first: bool) -> Page:
    asked = wanted.question()
    if asked is None:
        return Page([], after or START, more=False, complete=True)
    return _search(asked, ScanPosition(after.key if after else None, scanning.safe_before(), newest_first), limit)


def _search(asked: Query, place: ScanPosition, limit: int) -> Page:
    """Look at row after row, in growing steps, until the page is full, the rows are at an end, or the time is up."""
    deadline = monotonic() + SEARCH_SECONDS
    rows = max(FIRST_STEP, 2 * limit)
    found: list[RecordedEvent] = []
    while True:
        began = monotonic()
        bound, more = scanning.bound(asked, place, rows)
        if bound is None:
            return Page(found, Cursor(*place.after) if place.after else START, more=False, complete=True)
        found += scanning.events(asked, place, bound, limit + 1 - len(found))
        if len(found) > limit:
            return Page(found[:limit], Cursor.of(found[limit - 1]), more=True, complete=True)
        if not more or monotonic() > deadline:
            return Page(found, Cursor(*bound), more, complete=not more)
        place = ScanPosition(bound, place.safe_before, place.back)
        rows = _next_step(rows, monotonic() - began)


def _next_step(rows: int, took: float) -> int:
    """Return how many rows to look at next, so that a step stays well below the time that a page may take."""
    return int(min(max(rows * min(STEP_SECONDS / max(took, 0.001), 4), FIRST_STEP), MOST_ROWS))


def count(wanted: EventFilter) -> int:
    """Return how many events fit, of those that are committed now. Raises UnknownEventType or BadPattern."""
    asked = wanted.question()
    return scanning.count(asked) if asked else 0


def walk(wanted: EventFilter, after: Cursor | None = None, newest_first: bool = False) -> Iterator[RecordedEvent]:
    """Yield every event that fits, page by page, until there are no more now."""
    more = True
    while more:
        page = _page(wanted, after, AT_ONCE, newest_first)
        yield from page.events
        after, more = page.cursor, page.more
