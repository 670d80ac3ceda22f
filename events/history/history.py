"""History over all streams, in an order that late commits do not change.

The order is (transaction, stream, sequence); docs/decisions/0013 says why no event is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from events.history import scanning
from events.history.cursors import START, Cursor
from events.history.event_filter import EventFilter
from events.history.scanning import HistoryQuery, ScanPosition
from events.log.recorded import RecordedEvent

__all__ = ["START", "Cursor", "EventFilter", "Page", "count", "head", "read", "walk"]

MAX_PAGE = 1000
"""The most events in one page."""
AT_ONCE = 5000
"""Events in one page of `walk`: each page costs a lookup in each workspace's index of each day."""
SEARCH_SECONDS = 1.5
"""The time limit of one page. When it is reached, the page has the events found so far and says that there may be
more."""
STEP_SECONDS = 0.25
FIRST_STEP, MOST_ROWS = 2_000, 200_000
"""Rows that a search reads before it checks the time."""


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and where to continue."""

    events: list[RecordedEvent]
    cursor: Cursor
    """Pass it as `after` to continue in the same direction, now or later. Never before the page's last event."""
    more: bool
    """Whether more events are, or may be, available now."""
    complete: bool
    """False: the search reached its time limit before the page was full or the events ended."""


def head(event_filter: EventFilter) -> Cursor:
    """Return the cursor after every event of these workspaces, streams and times that can be read now.

    Reading from it returns later events only. Conditions on single events (types, text) make no difference.
    """
    query = event_filter.query()
    if query is None:
        return START
    matches = scanning.last(query, scanning.safe_before())
    return Cursor(*matches) if matches else START


def read(event_filter: EventFilter, after: Cursor | None = None, limit: int = 500, newest_first: bool = False) -> Page:
    """Return up to `limit` (at most 1000) matching events, in order after `after`; with `newest_first`, before it.

    An event is returned once no open transaction can still commit one before it. Raises UnknownEventType, and
    BadPattern for a source.
    """
    return _page(event_filter, after, min(limit, MAX_PAGE), newest_first)


def _page(event_filter: EventFilter, after: Cursor | None, limit: int, newest_first: bool) -> Page:
    query = event_filter.query()
    if query is None:
        return Page([], after or START, more=False, complete=True)
    return _search(query, ScanPosition(after.key if after else None, scanning.safe_before(), newest_first), limit)


def _search(query: HistoryQuery, position: ScanPosition, limit: int) -> Page:
    """Read rows in growing steps until the page is full, the rows end, or the time limit is reached."""
    deadline = monotonic() + SEARCH_SECONDS
    rows = max(FIRST_STEP, 2 * limit)
    matches: list[RecordedEvent] = []
    while True:
        began = monotonic()
        bound, more = scanning.bound(query, position, rows)
        if bound is None:
            return Page(matches, Cursor(*position.after) if position.after else START, more=False, complete=True)
        matches += scanning.events(query, position, bound, limit + 1 - len(matches))
        if len(matches) > limit:
            return Page(matches[:limit], Cursor.of(matches[limit - 1]), more=True, complete=True)
        if not more or monotonic() > deadline:
            return Page(matches, Cursor(*bound), more, complete=not more)
        position = ScanPosition(bound, position.safe_before, position.backwards)
        rows = _next_step(rows, monotonic() - began)


def _next_step(rows: int, took: float) -> int:
    """Return how many rows to read next, so that a step takes about STEP_SECONDS."""
    return int(min(max(rows * min(STEP_SECONDS / max(took, 0.001), 4), FIRST_STEP), MOST_ROWS))


def count(event_filter: EventFilter) -> int:
    """Return how many committed events match. Raises UnknownEventType or BadPattern."""
    query = event_filter.query()
    return scanning.count(query) if query else 0


def walk(event_filter: EventFilter, after: Cursor | None = None, newest_first: bool = False) -> Iterator[RecordedEvent]:
    """Yield every matching event, page by page, until there are no more now."""
    more = True
    while more:
        page = _page(event_filter, after, AT_ONCE, newest_first)
        yield from page.events
        after, more = page.cursor, page.more
