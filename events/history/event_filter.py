"""Which events somebody asks for, and the question that it becomes for the database."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from uuid import UUID

from events.catalogue.event_types import CATALOGUE, UnknownEventType
from events.catalogue.stream_names import EXECUTION, FEED, SYSTEM, WORKFLOW
from events.history.scanning import Conditions, Query, Streams, Workspaces, transaction_at
from events.log import reading
from events.log.partitions import first_id
from events.log.reading import CLOCK_SLACK, StreamState
from events.log.recorded import RecordedEvent
from workflow_platform.core.accounts.models import Workspace

RECORDED_WITHIN = timedelta(hours=1)
"""An event is recorded at most so long after its time."""
SETTLED_WITHIN = timedelta(minutes=30)
"""A transaction that writes events lasts no longer, the difference of two machines' clocks included."""
_SOURCE_PATTERN = re.compile(r"[a-z0-9_.:*-]{1,60}")
_FAR = 2**37
"""In seconds (the year 6325): nothing is later, and ids have room up to it."""
_DAY = 86_400
_NO_END = 2**62


class BadPattern(ValueError):
    """A pattern of sources holds up to 60 lower-case letters, digits, `_.:-` and `*`."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events. What is empty asks for nothing; `workspaces` and `installation` say what may be seen at all."""

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
        """Tell whether an event is one of these. Raises UnknownEventType."""
        return (
            self._may_see(event)
            and (not self.types or event.type in matching_types(self.types))
            and (not self.sources or any(fnmatchcase(event.source, pattern) for pattern in self.sources))
            and (self.workflow is None or event.workflow_id == str(self.workflow))
            and (self.execution is None or event.stream == f"{EXECUTION}{self.execution}")
            and (not self.streams or any(_shows(name, event) for name in self.streams))
            and (self.since is None or event.happened_at >= self.since)
            and (self.until is None or event.happened_at < self.until)
            and (not self.text or _holds(event, self.text))
        )

    def _may_see(self, event: RecordedEvent) -> bool:
        if event.workspace_id is None:
            return self.installation
        return self.workspaces is None or UUID(event.workspace_id) in self.workspaces

    def question(self) -> Query | None:
        """Return what it is for the database; None where nothing can be seen. Raises UnknownEventType, BadPattern."""
        conditions = Conditions()
        _add_rows(self, conditions)
        _add_days(self, conditions)
        if self.execution is not None:
            if self.streams:
                _add_streams(self, conditions)
            return _of_streams(self, [f"{EXECUTION}{self.execution}"], conditions)
        if self.streams:
            if all(map(_is_own, self.streams)):
                return _of_streams(self, self.streams, conditions)
            _add_streams(self, conditions)
        ids = self.workspaces
        if ids is None:
            ids = Workspace.objects.order_by().values_list("pk", flat=True)
        roots = Workspaces(sorted(ids), self.installation, _transactions(self))
        return Query(roots, conditions) if len(roots) else None


def matching_types(patterns: Collection[str]) -> frozenset[str]:
    """Return the types of the catalogue that fit any of the patterns. Raises UnknownEventType for one without any."""
    return frozenset[str]().union(*map(_matching, patterns))


@lru_cache(1024)
def _matching(pattern: str) -> frozenset[str]:
    found = frozenset(name for name in CATALOGUE if fnmatchcase(name, pattern))
    if not found:
        raise UnknownEventType(f"No event type fits {pattern!r}.")
    return found


def matching_sources(patterns: Collection[str]) -> list[str]:
    """Return the patterns as LIKE has them. Raises BadPattern for what cannot be one."""
    if bad := [pattern for pattern in patterns if not _SOURCE_PATTERN.fullmatch(pattern)]:
        raise BadPattern(f"{bad[0]!r} is none: {BadPattern.__doc__}")
    return [_like(pattern).replace("*", "%") for pattern in patterns]


def _is_own(stream: str) -> bool:
    """Tell whether a stream holds its own events, rather than showing those of others."""
    return stream != FEED and not stream.startswith(WORKFLOW)


def _shows(stream: str, event: RecordedEvent) -> bool:
    if stream == FEED:
        return event.feed_sequence is not None
    if stream.startswith(WORKFLOW):
        return event.workflow_sequence is not None and stream == f"{WORKFLOW}{event.workflow_id}"
    return event.stream == stream


def _holds(event: RecordedEvent, text: str) -> bool:
    # As PostgreSQL writes the same data, blanks and all.
    written = json.dumps(event.data, ensure_ascii=False).casefold()
    return any(spelling.casefold() in written for spelling in _spellings(text))


def _spellings(text: str) -> list[str]:
    """Return the text as it was typed, and as JSON writes it, with what is escaped there."""
    return sorted({text, json.dumps(text, ensure_ascii=False)[1:-1]})


def _of_streams(wanted: EventFilter, names: Collection[str], conditions: Conditions) -> Query | None:
    states = _visible(wanted, names)
    if not states:
        return None
    # The days in which these streams can have had events.
    conditions.from_id("opened_id", first_id(min(state.created_at for state in states) - CLOCK_SLACK))
    ends = [state.ended_at for state in states if state.ended_at is not None]
    if len(ends) == len(states):
        conditions.before_id("ended_id", first_id(max(ends) + CLOCK_SLACK))
    return Query(Streams(states), conditions)


def _visible(wanted: EventFilter, names: Collection[str]) -> Sequence[StreamState]:
    def visible(state: StreamState) -> bool:
        if state.name == SYSTEM:
            return wanted.installation
        # A stream without a workspace has lost it: nobody sees it who sees only workspaces of theirs.
        return wanted.workspaces is None or state.workspace_id in wanted.workspaces

    return [state for state in reading.states(names).values() if visible(state)]


def _add_rows(wanted: EventFilter, conditions: Conditions) -> None:
    """Add what is looked at row by row."""
    # What retention has removed is not read, though the rows may go later. A scalar, which the planner leaves where it
    # is: one look-up for each row that all else is true of.
    conditions.add("e.sequence > (SELECT s.removed_through FROM events_stream s WHERE s.id = e.stream_id)")
    if wanted.types:
        conditions.add("e.type = ANY(%(types)s)", types=sorted(matching_types(wanted.types)))
    if wanted.sources:
        conditions.add("e.source LIKE ANY(%(sources)s)", sources=matching_sources(wanted.sources))
    if wanted.workflow is not None:
        conditions.add("e.workflow_id = %(workflow)s", workflow=wanted.workflow)
    if wanted.text:
        texts = [f"%{_like(spelling)}%" for spelling in _spellings(wanted.text)]
        conditions.add("e.data::text ILIKE ANY(%(texts)s)", texts=texts)
    if wanted.since is not None:
        conditions.add("e.time >= %(since)s", since=wanted.since)
    if wanted.until is not None:
        conditions.add("e.time < %(until)s", until=wanted.until)


def _like(text: str) -> str:
    """Return `text` such that LIKE takes every character for itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _add_days(wanted: EventFilter, conditions: Conditions) -> None:
    """Add between which ids the events are, which says which partitions to look at."""
    # An event's id is made after what it tells of, and never before.
    if wanted.since is not None and 0 < wanted.since.timestamp() < _FAR:
        conditions.from_id("since_id", first_id(wanted.since))
    if wanted.until is not None and 0 < wanted.until.timestamp() < _FAR:
        conditions.before_id("until_id", first_id(wanted.until + RECORDED_WITHIN))


def _transactions(wanted: EventFilter) -> list[tuple[int, int]]:
    """Return between which numbers the events' transactions are; 0 is that of events brought from elsewhere."""
    low = high = None
    if wanted.since is not None and _DAY < wanted.since.timestamp() < _FAR:
        low = transaction_at(wanted.since - SETTLED_WITHIN, following=False)
    if wanted.until is not None and 0 < wanted.until.timestamp() < _FAR:
        high = transaction_at(wanted.until + RECORDED_WITHIN + SETTLED_WITHIN, following=True)
    within = (low or 0, _NO_END if high is None else high)
    return [(0, 0), within] if within[0] > 0 else [within]


def _add_streams(wanted: EventFilter, conditions: Conditions) -> None:
    """Add that one of the streams shows the event."""
    any_of = ["e.stream_id = ANY(%(stream_ids)s)"]
    if FEED in wanted.streams:
        any_of.append("e.feed_sequence IS NOT NULL")
    workflows = [name.removeprefix(WORKFLOW) for name in wanted.streams if name.startswith(WORKFLOW)]
    if workflows:
        any_of.append("(e.workflow_sequence IS NOT NULL AND e.workflow_id::text = ANY(%(workflows)s))")
    ids = [state.id for state in _visible(wanted, [name for name in wanted.streams if _is_own(name)])]
    conditions.add(f"({' OR '.join(any_of)})", stream_ids=ids, workflows=workflows)
