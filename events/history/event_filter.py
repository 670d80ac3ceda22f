"""The filter of events, and its translation into a database query."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from uuid import UUID

from events.catalogue.event_types import CATALOGUE, PERSONAL, UnknownEventType
from events.catalogue.stream_names import EXECUTION, FEED, SYSTEM, WORKFLOW
from events.history.scanning import Conditions, HistoryQuery, Streams, Workspaces, transaction_at
from events.log import reading
from events.log.partitions import first_id
from events.log.reading import CLOCK_SLACK, StreamState
from events.log.recorded import RecordedEvent
from workflow_platform.core.accounts.models import Workspace

RECORDED_WITHIN = timedelta(hours=1)
"""The longest time between an event's time and its record."""
SETTLED_WITHIN = timedelta(minutes=30)
"""The longest transaction that writes events, including the difference of two machines' clocks."""
_SOURCE_PATTERN = re.compile(r"[a-z0-9_.:*-]{1,60}")
_FAR = 2**37
"""In seconds (the year 6325): the latest time that ids can contain."""
_DAY = 86_400
_NO_END = 2**62


class BadPattern(ValueError):
    """A pattern of sources is up to 60 lower-case letters, digits, `_.:-` and `*`."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to read. Empty fields do not filter; `workspaces` and `installation` limit what is visible."""

    types: Collection[str] = ()
    """Patterns: `execution.*`."""
    sources: Collection[str] = ()
    """Patterns: `executions.*`."""
    workflow: UUID | None = None
    execution: UUID | None = None
    streams: Collection[str] = ()
    """Names; events that any of them shows."""
    since: datetime | None = None
    until: datetime | None = None
    """Events at or after `since` and before `until`."""
    texts: Collection[str] = ()
    """Any of these in the event's type, or in its data as JSON; case does not matter."""
    before: int | None = None
    """Only events with a sequence below this; with one `execution` or stream."""
    workspaces: Collection[UUID] | None = ()
    """Only events of these workspaces. None: of all."""
    installation: bool = False
    """Include the events of the installation, which belong to no workspace."""

    def fits(self, event: RecordedEvent) -> bool:
        """Return whether an event matches. Raises UnknownEventType."""
        return (
            self._may_see(event)
            and (not self.types or event.type in matching_types(self.types))
            and (not self.sources or any(fnmatchcase(event.source, pattern) for pattern in self.sources))
            and (self.workflow is None or event.workflow_id == str(self.workflow))
            and (self.execution is None or event.stream == f"{EXECUTION}{self.execution}")
            and (not self.streams or any(_shows(name, event) for name in self.streams))
            and (self.since is None or event.happened_at >= self.since)
            and (self.until is None or event.happened_at < self.until)
            and (not self.texts or _holds(event, self.texts))
            and (self.before is None or event.sequence < self.before)
        )

    def _may_see(self, event: RecordedEvent) -> bool:
        if event.workspace_id is None:
            return self.installation and (self.workspaces is None or event.type not in PERSONAL)
        return self.workspaces is None or UUID(event.workspace_id) in self.workspaces

    def query(self) -> HistoryQuery | None:
        """Return the query; None where nothing is visible. Raises UnknownEventType, BadPattern."""
        conditions = Conditions()
        _add_rows(self, conditions)
        _add_days(self, conditions)
        if self.execution is not None:
            if self.streams:
                _add_streams(self, conditions)
            return _of_streams(self, [f"{EXECUTION}{self.execution}"], conditions)
        if self.streams:
            if all(map(is_own, self.streams)):
                return _of_streams(self, self.streams, conditions)
            _add_streams(self, conditions)
        ids = self.workspaces
        if ids is None:
            ids = Workspace.objects.order_by().values_list("pk", flat=True)
        roots = Workspaces(sorted(ids), self.installation, _transactions(self))
        return HistoryQuery(roots, conditions) if len(roots) else None


def matching_types(patterns: Collection[str]) -> frozenset[str]:
    """Return the event types that match any of the patterns. Raises UnknownEventType for a pattern without a match."""
    return frozenset[str]().union(*map(_matching, patterns))


@lru_cache(1024)
def _matching(pattern: str) -> frozenset[str]:
    types = frozenset(name for name in CATALOGUE if fnmatchcase(name, pattern))
    if not types:
        raise UnknownEventType(f"{pattern!r} matches no event type.")
    return types


def matching_sources(patterns: Collection[str]) -> list[str]:
    """Return the patterns in the syntax of LIKE. Raises BadPattern."""
    if bad := [pattern for pattern in patterns if not _SOURCE_PATTERN.fullmatch(pattern)]:
        raise BadPattern(f"{bad[0]!r} is not a pattern. {BadPattern.__doc__}")
    return [_like(pattern).replace("*", "%") for pattern in patterns]


def is_own(stream: str) -> bool:
    """Return whether a stream holds its own events, rather than showing those of others."""
    return stream != FEED and not stream.startswith(WORKFLOW)


def _shows(stream: str, event: RecordedEvent) -> bool:
    if stream == FEED:
        return event.feed_sequence is not None
    if stream.startswith(WORKFLOW):
        return event.workflow_sequence is not None and stream == f"{WORKFLOW}{event.workflow_id}"
    return event.stream == stream


def _holds(event: RecordedEvent, texts: Collection[str]) -> bool:
    written = event.payload.casefold()  # as the table holds it
    in_data = any(spelling.casefold() in written for spelling in _spellings(texts))
    return in_data or any(text.casefold() in event.type for text in texts)


def _spellings(texts: Collection[str]) -> list[str]:
    """Return the texts as typed, and with the escapes of JSON."""
    return sorted({*texts, *(json.dumps(text, ensure_ascii=False)[1:-1] for text in texts)})


def _of_streams(event_filter: EventFilter, names: Collection[str], conditions: Conditions) -> HistoryQuery | None:
    states = _visible(event_filter, names)
    if not states:
        return None
    if event_filter.before is not None:
        states = [replace(state, head=min(state.head, event_filter.before - 1)) for state in states]
    # The days in which these streams can have had events.
    conditions.from_id("opened_id", first_id(min(state.created_at for state in states) - CLOCK_SLACK))
    ends = [state.ended_at for state in states if state.ended_at is not None]
    if len(ends) == len(states):
        conditions.before_id("ended_id", first_id(max(ends) + CLOCK_SLACK))
    return HistoryQuery(Streams(states), conditions)


def _visible(event_filter: EventFilter, names: Collection[str]) -> Sequence[StreamState]:
    def visible(state: StreamState) -> bool:
        if state.name == SYSTEM:
            return event_filter.installation
        # A stream whose workspace was deleted: only a filter over all workspaces shows it.
        return event_filter.workspaces is None or state.workspace_id in event_filter.workspaces

    return [state for state in reading.states(names).values() if visible(state)]


def _add_rows(event_filter: EventFilter, conditions: Conditions) -> None:
    """Add the conditions that are checked row by row."""
    # Removed events are not read, though their rows are deleted later. A scalar subquery, which the planner does not
    # move: one look-up for each row that meets the other conditions.
    conditions.add("e.sequence > (SELECT s.removed_through FROM events_stream s WHERE s.id = e.stream_id)")
    if event_filter.installation and event_filter.workspaces is not None:
        conditions.add("e.type <> ALL(%(personal)s)", personal=sorted(PERSONAL))  # not even for staff
    if event_filter.types:
        conditions.add("e.type = ANY(%(types)s)", types=sorted(matching_types(event_filter.types)))
    if event_filter.sources:
        conditions.add("e.source LIKE ANY(%(sources)s)", sources=matching_sources(event_filter.sources))
    if event_filter.workflow is not None:
        conditions.add("e.workflow_id = %(workflow)s", workflow=event_filter.workflow)
    if event_filter.texts:
        types = [name for name in CATALOGUE if any(text.casefold() in name for text in event_filter.texts)]
        texts = [f"%{_like(spelling)}%" for spelling in _spellings(event_filter.texts)]
        found = "(e.data::text ILIKE ANY(%(texts)s) OR e.type = ANY(%(types_with_text)s))"
        conditions.add(found, texts=texts, types_with_text=types)
    if event_filter.since is not None:
        conditions.add("e.time >= %(since)s", since=event_filter.since)
    if event_filter.until is not None:
        conditions.add("e.time < %(until)s", until=event_filter.until)


def _like(text: str) -> str:
    """Return `text` with the wildcards of LIKE escaped."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _add_days(event_filter: EventFilter, conditions: Conditions) -> None:
    """Add the range of ids, which selects the partitions."""
    # An event's id is never older than the event's time.
    if event_filter.since is not None and 0 < event_filter.since.timestamp() < _FAR:
        conditions.from_id("since_id", first_id(event_filter.since))
    if event_filter.until is not None and 0 < event_filter.until.timestamp() < _FAR:
        conditions.before_id("until_id", first_id(event_filter.until + RECORDED_WITHIN))


def _transactions(event_filter: EventFilter) -> list[tuple[int, int]]:
    """Return the ranges of the events' transaction numbers; imported events have 0."""
    low = high = None
    if event_filter.since is not None and _DAY < event_filter.since.timestamp() < _FAR:
        low = transaction_at(event_filter.since - SETTLED_WITHIN, following=False)
    if event_filter.until is not None and 0 < event_filter.until.timestamp() < _FAR:
        high = transaction_at(event_filter.until + RECORDED_WITHIN + SETTLED_WITHIN, following=True)
    within = (low or 0, _NO_END if high is None else high)
    return [(0, 0), within] if within[0] > 0 else [within]


def _add_streams(event_filter: EventFilter, conditions: Conditions) -> None:
    """Add the condition that one of the streams shows the event."""
    any_of = ["e.stream_id = ANY(%(stream_ids)s)"]
    if FEED in event_filter.streams:
        any_of.append("e.feed_sequence IS NOT NULL")
    workflows = [name.removeprefix(WORKFLOW) for name in event_filter.streams if name.startswith(WORKFLOW)]
    if workflows:
        any_of.append("(e.workflow_sequence IS NOT NULL AND e.workflow_id::text = ANY(%(workflows)s))")
    ids = [state.id for state in _visible(event_filter, [name for name in event_filter.streams if is_own(name)])]
    conditions.add(f"({' OR '.join(any_of)})", stream_ids=ids, workflows=workflows)
