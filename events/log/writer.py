"""The only writer of the event log. Readers are `reading` (one stream) and `history` (over all streams)."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from events import instruments
from events.catalogue.event_types import LIFECYCLE, TERMINAL, payload_text
from events.catalogue.stream_names import FEED, WORKFLOW
from events.log.models import Event, Stream
from events.log.recorded import LIVE, RecordedEvent, time_text
from workflow_platform.core.identifiers import uuid7_text

Sink = Callable[[list[RecordedEvent]], None]
_in_transaction: list[Sink] = []
_after_commit: list[Sink] = []

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,59}")


class NotInTransaction(Exception):
    """Events are appended inside the transaction that makes them true."""


class StreamClosed(Exception):
    """The stream has ended, or is gone: nothing follows."""


class BadSource(ValueError):
    """A source is up to 60 lower-case letters, digits and `_.:-`."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact to be appended."""

    stream_id: int
    type: str
    data: dict[str, Any]
    source: str
    execution_id: UUID | None = None
    workflow_id: UUID | None = None
    time: datetime | None = None


@dataclass(slots=True)
class _Numbering:
    """A stream whose row is locked, and the last sequence that was given out."""

    id: int
    name: str
    workspace_id: str | None
    mode: str
    last: int

    def next(self) -> int:
        self.last += 1
        return self.last


def add_sink(sink: Sink, *, in_transaction: bool = False) -> None:
    """Call `sink` with the events of every append of this process: after the commit, or before it.

    Sinks are called in the order in which they were added. An exception of one in the transaction undoes the append.
    """
    (_in_transaction if in_transaction else _after_commit).append(sink)


def open_stream(name: str, workspace_id: UUID | None, mode: str = LIVE) -> Stream:
    """Create a stream with no events yet."""
    return Stream.objects.create(name=name, workspace_id=workspace_id, mode=mode)


def open_streams(named: Sequence[tuple[str, UUID]], modes: Sequence[str] = ()) -> list[Stream]:
    """Create streams with no events yet, by name and workspace; `modes` are their modes, by default all live."""
    modes = modes or [LIVE] * len(named)
    return Stream.objects.bulk_create(
        [
            Stream(name=name, workspace_id=workspace, mode=mode)
            for (name, workspace), mode in zip(named, modes, strict=True)
        ]
    )


def remove_stream(name: str) -> None:
    """Delete a stream that belongs to no workspace, with its events. For streams of few events only."""
    ids = list(Stream.objects.filter(name=name, workspace=None).values_list("pk", flat=True))
    Event.objects.filter(stream__in=ids).delete()
    Stream.objects.filter(pk__in=ids).delete()


def append(new_events: Sequence[NewEvent]) -> list[RecordedEvent]:
    """Append events to their streams, in the order given, inside the caller's transaction.

    Locks the streams in id order, then the feed, until the commit. Sinks in the transaction (`add_sink`) are called
    before it returns, the others after the commit. Raises NotInTransaction, StreamClosed,
    UnknownEventType, BadSource, or pydantic.ValidationError.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(NotInTransaction.__doc__)
    began = time.monotonic()
    payloads = [payload_text(new.type, new.data) for new in new_events]
    own, workflows, number = _advance(new_events)
    feed = _feed_sequences(sum(new.type in LIFECYCLE for new in new_events), number)
    now = time_text(timezone.now())
    text = _Texts()
    events = []
    for new, payload in zip(new_events, payloads, strict=True):
        stream = own[new.stream_id]
        sequence = stream.next()
        workflow = workflows.get(_workflow_stream(new)) if workflows else None
        events.append(
            RecordedEvent(
                uuid7_text(),
                new.type,
                _checked(new.source),
                time_text(new.time) if new.time else now,
                text[new.execution_id] if new.execution_id else None,
                text[new.workflow_id] if new.workflow_id else None,
                stream.name,
                stream.id,
                stream.workspace_id,
                sequence,
                next(feed) if new.type in LIFECYCLE else None,
                None if workflow is None else sequence if workflow is stream else workflow.next(),
                number,
                payload,
                stream.mode,
            )
        )
    _insert(events)
    for sink in _in_transaction:
        sink(events)
    transaction.on_commit(lambda: _committed(events, began))
    return events


def restore(stream: Stream, events: Iterable[list[RecordedEvent]]) -> None:
    """Write events that another installation recorded to an empty stream, unchanged, inside the caller's transaction.

    Each sequence must be the previous one plus one. No subscriber gets these events, and readers with a cursor do not
    see them: they are not new.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(NotInTransaction.__doc__)
    first, last = 0, 0
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for batch in events:
            first, last = first or batch[0].sequence, batch[-1].sequence
            copy.write(_rows(batch))
    Stream.objects.filter(pk=stream.pk).update(last_sequence=last, removed_through=max(first - 1, 0))


class _Texts(dict[UUID, str]):
    """The texts of ids: a batch has few different ones, and each costs as much as the rest of its line."""

    def __missing__(self, key: UUID) -> str:
        text = self[key] = str(key)
        return text


@cache
def _checked(source: str) -> str:
    if not _SOURCE.fullmatch(source):
        raise BadSource(BadSource.__doc__)
    return source


_COPY = (
    "COPY events_event (id, type, source, time, execution_id, workflow_id, stream_id, workspace_id, sequence,"
    " feed_sequence, workflow_sequence, transaction, data) FROM STDIN"
)


def _insert(events: list[RecordedEvent]) -> None:
    """Write the rows by COPY, several times faster than INSERT."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(_rows(events))


def _rows(events: list[RecordedEvent]) -> str:
    """Return the rows as COPY reads them.

    The text is built here: only the JSON can contain a character with a meaning for COPY, and of those only the
    backslash.
    """
    return "".join(
        f"{e.id}\t{e.type}\t{e.source}\t{e.time}\t{e.execution_id or _NULL}\t{e.workflow_id or _NULL}\t{e.stream_id}\t"
        f"{e.workspace_id or _NULL}\t{e.sequence}\t{e.feed_sequence or _NULL}\t{e.workflow_sequence or _NULL}\t"
        f"{e.transaction}\t{_escaped(e.payload)}\n"
        for e in events
    )


_NULL = "\\N"


def _escaped(payload: str) -> str:
    return payload.replace("\\", "\\\\") if "\\" in payload else payload


def _committed(events: list[RecordedEvent], began: float) -> None:
    instruments.APPENDED.add(len(events))
    instruments.APPEND_SECONDS.observe(time.monotonic() - began)
    for sink in _after_commit:
        sink(events)


def _workflow_stream(new: NewEvent) -> str:
    """Return the name of the workflow stream that shows the event; empty for none."""
    shown = new.type in LIFECYCLE or new.type.startswith("workflow.")
    return f"{WORKFLOW}{new.workflow_id}" if shown and new.workflow_id else ""


def _advance(new_events: Sequence[NewEvent]) -> tuple[dict[int, _Numbering], dict[str, _Numbering], int]:
    """Assign sequences to the events, in their streams and in those of their workflows.

    Returns the streams by id, and those of workflows by name, numbered as before, and the transaction's number.
    """
    counts: Counter[int] = Counter(new.stream_id for new in new_events)
    ends = _ends(new_events)
    names = Counter(name for new in new_events if new.type in LIFECYCLE and (name := _workflow_stream(new)))
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH counts AS (SELECT id, n FROM unnest(%(ids)s::bigint[], %(counts)s::bigint[]) AS own(id, n)"
            " UNION ALL SELECT s.id, w.n FROM unnest(%(names)s::text[], %(name_counts)s::bigint[]) AS w(name, n)"
            " JOIN events_stream s USING (name)),"
            " sums AS (SELECT id, sum(n)::bigint AS n FROM counts GROUP BY id),"
            " locked AS (SELECT id, last_transaction, ended_at FROM events_stream"
            "  WHERE id IN (SELECT id FROM sums) ORDER BY id FOR UPDATE),"
            # Not below the number of an earlier event in any of the streams: its transaction may have got its number
            # later.
            " mark AS (SELECT GREATEST(events_current_transaction(), max(last_transaction)) AS n FROM locked)"
            " UPDATE events_stream s SET last_sequence = last_sequence + sums.n, last_transaction = mark.n,"
            " ended_at = CASE WHEN s.id = ANY(%(ended)s::bigint[]) THEN clock_timestamp() END,"
            " ended_as = COALESCE((%(ended_as)s::text[])[array_position(%(ended)s::bigint[], s.id)], '')"
            " FROM locked JOIN sums USING (id) CROSS JOIN mark WHERE s.id = locked.id AND locked.ended_at IS NULL"
            " RETURNING s.id, s.name, s.workspace_id::text, s.mode, s.last_sequence - sums.n, mark.n",
            {
                "ids": list(counts),
                "counts": list(counts.values()),
                "names": list(names),
                "name_counts": list(names.values()),
                "ended": list(ends),
                "ended_as": list(ends.values()),
            },
        )
        rows = cursor.fetchall()
    streams = [_Numbering(*row[:5]) for row in rows]
    if counts.keys() - {stream.id for stream in streams}:
        raise StreamClosed(StreamClosed.__doc__)
    of_workflows = {stream.name: stream for stream in streams if stream.name.startswith(WORKFLOW)}
    return {stream.id: stream for stream in streams}, of_workflows, rows[0][5] if rows else 0


def _ends(new_events: Sequence[NewEvent]) -> dict[int, str]:
    """Return which streams end, and as what. Raises StreamClosed if something follows an end."""
    ends: dict[int, str] = {}
    for new in new_events:
        if new.stream_id in ends:
            raise StreamClosed(StreamClosed.__doc__)
        if new.type in TERMINAL:
            ends[new.stream_id] = new.type
    return ends


def _feed_sequences(count: int, number: int) -> Iterator[int]:
    """Assign sequences of the feed. Its row is locked last, so that it is held for the shortest time.

    The row also keeps the greatest transaction number of streams that have been removed.
    """
    if not count:
        return iter(())
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events_stream SET last_sequence = last_sequence + %s,"
            " last_transaction = GREATEST(last_transaction, %s) WHERE name = %s RETURNING last_sequence",
            [count, number, FEED],
        )
        (last,) = cursor.fetchone()
    return iter(range(last - count + 1, last + 1))


def head(stream_name: str) -> int:
    """Return the last sequence of a stream; 0 for one that does not exist."""
    return Stream.objects.filter(name=stream_name).values_list("last_sequence", flat=True).first() or 0
