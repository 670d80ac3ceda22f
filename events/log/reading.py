"""Rows as recorded events, and pages of one stream: the base of every reader of history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from events.catalogue.stream_names import FEED, WORKFLOW, sequence_field
from events.log.models import Stream
from events.log.partitions import first_id
from events.log.recorded import RecordedEvent

MAX_PAGE = 1000
CLOCK_SLACK = timedelta(hours=1)
"""How far the clocks of two machines may be apart."""

COLUMNS = (
    "e.id::text, e.type, e.source, to_char(e.time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
    " e.execution_id::text, e.workflow_id::text, s.name, e.stream_id, e.workspace_id::text,"
    " e.sequence, e.feed_sequence, e.workflow_sequence, e.transaction, e.data::text, s.mode"
)
"""The columns that `recorded` expects, of `events_event e JOIN events_stream s ON s.id = e.stream_id`."""
SOURCE = "events_event e JOIN events_stream s ON s.id = e.stream_id AND e.sequence > s.removed_through"
"""Readers do not see removed events as soon as `removed_through` covers them; the rows are deleted later."""


def recorded(rows: Iterable[Sequence[Any]]) -> list[RecordedEvent]:
    """Return rows of COLUMNS as events."""
    return [RecordedEvent(*row) for row in rows]


def by_ids(ids: Collection[UUID]) -> list[RecordedEvent]:
    """Return events by their ids, in the order over streams, without those that do not exist or were removed."""
    if not ids:
        return []
    statement = (
        f"SELECT {COLUMNS} FROM {SOURCE} WHERE e.id = ANY(%s)"  # noqa: S608
        " ORDER BY e.transaction, e.stream_id, e.sequence"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(ids)])
        return recorded(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class StreamState:
    """The state of a stream: its head, and what was removed."""

    id: int
    name: str
    workspace_id: UUID | None
    head: int
    """Its last sequence; 0 when nothing has happened."""
    removed_through: int
    created_at: datetime
    ended_at: datetime | None
    removed_at: datetime | None


def states(names: Collection[str]) -> dict[str, StreamState]:
    """Return the states of streams by name; streams that do not exist are left out."""
    fields = ("id", "name", "workspace_id", "last_sequence", "removed_through", "created_at", "ended_at", "removed_at")
    rows = Stream.objects.filter(name__in=list(names)).values_list(*fields)
    return {row[1]: StreamState(*row) for row in rows}


HEADS_AT_ONCE = 1000


def heads(names: Sequence[str]) -> dict[str, int]:
    """Return the last sequences of streams, by name."""
    sequences: dict[str, int] = {}
    with connection.cursor() as cursor:
        for start in range(0, len(names), HEADS_AT_ONCE):
            some = names[start : start + HEADS_AT_ONCE]
            cursor.execute("SELECT name, last_sequence FROM events_stream WHERE name = ANY(%s)", [list(some)])
            sequences.update(cursor.fetchall())
    return sequences


def page_after(
    stream: StreamState,
    after: int,
    limit: int = 500,
    types: Collection[str] | None = None,
    workspace_ids: Collection[UUID | str] = (),
    fields: Mapping[str, str] | None = None,
) -> list[RecordedEvent]:
    """Return up to `limit` (at most 1000) events of a stream with a sequence above `after`, in sequence.

    Of the stream `executions`, only those of `workspace_ids`. With `types` and `fields`, only those whose data has
    these values, as text.
    """
    last = _NO_END
    if sequence_field(stream.name) == "sequence":
        after = max(after, stream.removed_through)  # rows that are not deleted yet are skipped
        last = after + limit if types is None else _NO_END
    return _page(stream, (after + 1, last), "ASC", limit, types, workspace_ids, fields)


def page_before(
    stream: StreamState,
    before: int,
    limit: int = 500,
    types: Collection[str] | None = None,
    workspace_ids: Collection[UUID | str] = (),
) -> list[RecordedEvent]:
    """Return up to `limit` (at most 1000) events of a stream with a sequence below `before`, the newest first.

    Of the stream `executions`, only those of `workspace_ids`.
    """
    first, last = 1, min(before - 1, stream.head)
    if sequence_field(stream.name) == "sequence" and types is None:
        first = last - limit + 1
    return _page(stream, (first, last), "DESC", limit, types, workspace_ids)


_NO_END = 2**62


def _page(
    stream: StreamState,
    # In a stream without gaps, the sequences of a page are known. Without this range, the planner sorts the whole rest
    # of the stream for each page, until the day's partition has been analyzed.
    between: tuple[int, int],
    order: str,
    limit: int,
    types: Collection[str] | None,
    workspace_ids: Collection[UUID | str],
    fields: Mapping[str, str] | None = None,
) -> list[RecordedEvent]:
    field = sequence_field(stream.name)
    conditions = [f"e.{field} BETWEEN %s AND %s"]
    values: list[Any] = [*between]
    if stream.name == FEED:
        conditions.append("e.workspace_id = ANY(%s::uuid[])")
        values.append([str(workspace) for workspace in workspace_ids])
    elif stream.name.startswith(WORKFLOW):
        conditions.append("e.workflow_id = %s")
        values.append(stream.name.removeprefix(WORKFLOW))
    else:
        conditions.append("e.stream_id = %s")
        values.append(stream.id)
    if types is not None:
        conditions.append("e.type = ANY(%s)")
        values.append(list(types))
    for name, value in (fields or {}).items():
        conditions.append("e.data->>%s = %s")
        values += [name, value]
    # Skips the days on which the stream cannot have an event.
    conditions.append("e.id >= %s")
    values.append(first_id(stream.created_at - CLOCK_SLACK))
    if stream.ended_at is not None:
        conditions.append("e.id < %s")
        values.append(first_id(stream.ended_at + CLOCK_SLACK))
    where = " AND ".join(conditions)
    statement = f"SELECT {COLUMNS} FROM {SOURCE} WHERE {where} ORDER BY e.{field} {order} LIMIT %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, min(limit, MAX_PAGE)])
        return recorded(cursor.fetchall())
