"""The only writer of the event log. Readers are `reading` (one stream) and `history` (over all streams)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from events import instruments
from events.catalogue.event_types import LIFECYCLE, payload_text
from events.log.models import Event, Stream
from events.log.numbering import NewEvent, NewStream, advance, workflow_stream
from events.log.recorded import LIVE, RecordedEvent, time_text
from workflow_platform.core.identifiers import uuid7_text

Sink = Callable[[list[RecordedEvent]], None]
_in_transaction: list[Sink] = []
_after_commit: list[Sink] = []

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,59}")


class NotInTransaction(Exception):
    """Events are appended inside the transaction that makes them true."""


class BadSource(ValueError):
    """A source is up to 60 lower-case letters, digits and `_.:-`."""


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


def append(new_events: Sequence[NewEvent], opening: Sequence[NewStream] = ()) -> list[RecordedEvent]:
    """Append events to their streams, in the order given, inside the caller's transaction; create those of `opening`.

    Locks the streams in id order, then the feed, until the commit. Sinks in the transaction (`add_sink`) are called
    before it returns, the others after the commit. Raises NotInTransaction, StreamClosed,
    UnknownEventType, BadSource, or pydantic.ValidationError.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(NotInTransaction.__doc__)
    began = time.monotonic()
    payloads = [payload_text(new.type, new.data) for new in new_events]
    own, workflows, number, feed = advance(new_events, opening)
    now = time_text(timezone.now())
    text = _Texts()
    events = []
    for new, payload in zip(new_events, payloads, strict=True):
        stream = own[new.stream_id]
        sequence = stream.next()
        workflow = workflows.get(workflow_stream(new)) if workflows else None
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


def head(stream_name: str) -> int:
    """Return the last sequence of a stream; 0 for one that does not exist."""
    return Stream.objects.filter(name=stream_name).values_list("last_sequence", flat=True).first() or 0
