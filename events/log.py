"""The event log: the only writer and the only reader of history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from events import live, subscribers
from events.event_types import LIFECYCLE, TERMINAL, check_payload
from events.models import FEED, WORKFLOW, Event, Stream, sequence_field
from workflow_platform.identifiers import uuid7

MAX_PAGE = 1000


class NotInTransaction(Exception):
    """Events are appended inside the transaction that makes them true."""


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


def open_stream(name: str, workspace_id: UUID | None) -> Stream:
    """Create a stream with no events yet."""
    return Stream.objects.create(name=name, workspace_id=workspace_id)


def open_streams(named: Sequence[tuple[str, UUID]]) -> list[Stream]:
    """Create streams with no events yet, by name and workspace."""
    return Stream.objects.bulk_create([Stream(name=name, workspace_id=workspace) for name, workspace in named])


def append(new_events: Sequence[NewEvent]) -> list[Event]:
    """Append events to their streams, in the order given, inside the caller's transaction.

    Locks the streams in id order, then the feed, until the commit. Subscribers in the transaction are called before it
    returns; after the commit come the others, and then whoever watches. Raises NotInTransaction, UnknownEventType, or
    pydantic.ValidationError.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(NotInTransaction.__doc__)
    payloads = [check_payload(new.type, new.data) for new in new_events]
    own, workflows = _advance(new_events)
    feed = _feed_sequences(sum(new.type in LIFECYCLE for new in new_events))
    now = timezone.now()
    events = []
    for new, data in zip(new_events, payloads, strict=True):
        stream = own[new.stream_id]
        sequence = _next(stream)
        workflow = workflows.get(_workflow_stream(new))
        event = Event(  # type: ignore[misc]  # by position, as the fields come: half the cost of names
            uuid7(),
            stream.pk,
            sequence,
            next(feed) if new.type in LIFECYCLE else None,
            None if workflow is None else sequence if workflow is stream else _next(workflow),
            new.type,
            new.source,
            new.time or now,
            new.execution_id,
            new.workflow_id,
            data,
        )
        event.stream = stream
        events.append(event)
    _insert(events)
    subscribers.dispatch(events, "in_transaction")
    transaction.on_commit(lambda: _published(events))
    return events


_COLUMNS = [field.attname for field in Event._meta.concrete_fields if field.attname != "data"]
_COPY = f"COPY events_event ({', '.join(_COLUMNS)}, data) FROM STDIN"
_columns_of = attrgetter(*_COLUMNS)


def _insert(events: list[Event]) -> None:
    """Write the rows by COPY, several times faster than INSERT."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for event in events:
            copy.write_row([*_columns_of(event), Jsonb(event.data)])


def _published(events: list[Event]) -> None:
    live.publish(events)
    subscribers.dispatch(events, "after_commit")


def _workflow_stream(new: NewEvent) -> str:
    """Return the name of the workflow stream that shows the event; empty for none."""
    shown = new.type in LIFECYCLE or new.type.startswith("workflow.")
    return f"{WORKFLOW}{new.workflow_id}" if shown and new.workflow_id else ""


def _next(stream: Stream) -> int:
    stream.last_sequence += 1
    return stream.last_sequence


def _advance(new_events: Sequence[NewEvent]) -> tuple[dict[int, Stream], dict[str, Stream]]:
    """Take sequences for the events, in their own streams and in those of their workflows.

    Returns the streams by id, and those of workflows by name, with `last_sequence` as it was before.
    """
    counts: Counter[int] = Counter(new.stream_id for new in new_events)
    ended = [new.stream_id for new in new_events if new.type in TERMINAL]
    of_executions = [new for new in new_events if new.type in LIFECYCLE]
    names = Counter(name for new in of_executions if (name := _workflow_stream(new)))
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH wanted AS (SELECT id, n FROM unnest(%(ids)s::bigint[], %(counts)s::bigint[]) AS own(id, n)"
            " UNION ALL SELECT s.id, w.n FROM unnest(%(names)s::text[], %(name_counts)s::bigint[]) AS w(name, n)"
            " JOIN events_stream s USING (name)),"
            " sums AS (SELECT id, sum(n)::bigint AS n FROM wanted GROUP BY id),"
            " locked AS (SELECT id FROM events_stream WHERE id IN (SELECT id FROM sums) ORDER BY id FOR UPDATE)"
            " UPDATE events_stream s SET last_sequence = last_sequence + sums.n,"
            " ended_at = CASE WHEN s.id = ANY(%(ended)s) THEN clock_timestamp() ELSE s.ended_at END"
            " FROM locked JOIN sums USING (id) WHERE s.id = locked.id"
            " RETURNING s.id, s.name, s.workspace_id, s.last_sequence - sums.n",
            {
                "ids": list(counts),
                "counts": list(counts.values()),
                "names": list(names),
                "name_counts": list(names.values()),
                "ended": ended,
            },
        )
        streams = [
            Stream(id=row[0], name=row[1], workspace_id=row[2], last_sequence=row[3]) for row in cursor.fetchall()
        ]
    return {stream.pk: stream for stream in streams}, {s.name: s for s in streams if s.name.startswith(WORKFLOW)}


def _feed_sequences(count: int) -> Iterator[int]:
    """Take sequences of the feed. Its row is locked last, so that it is held for the shortest time."""
    if not count:
        return iter(())
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events_stream SET last_sequence = last_sequence + %s WHERE name = %s RETURNING last_sequence",
            [count, FEED],
        )
        (last,) = cursor.fetchone()
    return iter(range(last - count + 1, last + 1))


def head(stream_name: str) -> int:
    """Return the last sequence of a stream; 0 for one that does not exist."""
    return Stream.objects.filter(name=stream_name).values_list("last_sequence", flat=True).first() or 0


def head_and_ended(stream_name: str) -> tuple[int, bool]:
    """Return the last sequence of a stream, and whether a terminal event closed it."""
    row = Stream.objects.filter(name=stream_name).values_list("last_sequence", "ended_at").first()
    return (row[0], row[1] is not None) if row else (0, False)


def read_after(
    stream_name: str,
    after: int,
    limit: int = 500,
    types: Collection[str] | None = None,
    workspace_ids: Collection[UUID] | None = None,
) -> list[dict[str, Any]]:
    """Return the envelopes of up to `limit` (at most 1000) events with a sequence above `after`, in sequence.

    Of the stream `executions`, only those of `workspace_ids`.
    """
    field = sequence_field(stream_name)
    found = Event.objects.filter(**{f"{field}__gt": after}).order_by(field)
    if stream_name == FEED:
        found = found.filter(stream__workspace_id__in=workspace_ids or [])
    elif stream_name.startswith(WORKFLOW):
        found = found.filter(workflow_id=stream_name.removeprefix(WORKFLOW))
    else:
        found = found.filter(stream__name=stream_name)
    if types is not None:
        found = found.filter(type__in=types)
    return [event.envelope(stream_name) for event in found[: min(limit, MAX_PAGE)]]
