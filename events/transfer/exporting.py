"""Exports history as JSON lines: a header line, then one envelope a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from events.catalogue.stream_names import FEED
from events.history import history
from events.history.history import EventFilter
from events.log import reading
from events.log.models import Stream
from events.log.reading import StreamState
from events.log.recorded import time_text
from workflow_platform.core.accounts.models import Workspace

FORMAT = "workflow-platform.events/1"
PAGE = 1000


class CannotExport(Exception):
    """The stream `executions` cannot be exported, since it has the events of all executions. Export them by filter."""


@dataclass(frozen=True, slots=True)
class StreamExport:
    """A stream up to its current head. It is written in pages, so that memory does not grow with its length."""

    stream: StreamState

    def __post_init__(self) -> None:
        """Raise CannotExport for the stream of all executions, which belongs to no workspace."""
        if self.stream.name == FEED:
            raise CannotExport(CannotExport.__doc__)

    @property
    def file_name(self) -> str:
        """Return a name for the file."""
        return f"{self.stream.name.replace(':', '-')}.jsonl"

    def header(self) -> bytes:
        """Return the first line."""
        stream = self.stream
        owner = Workspace.objects.filter(pk=stream.workspace_id).first() if stream.workspace_id else None
        header = {
            "format": FORMAT,
            "stream": stream.name,
            "workspace": owner.slug if owner else None,
            "mode": Stream.objects.values_list("mode", flat=True).get(pk=stream.id),
            "created_at": time_text(stream.created_at),
            "ended_at": _text(stream.ended_at),
            "first": stream.removed_through + 1,
            "count": stream.head - stream.removed_through,
        }
        return orjson.dumps(header) + b"\n"

    def page(self, after: int) -> tuple[bytes, int]:
        """Return the lines that follow a sequence, and the last sequence among them; none at the end."""
        page = reading.page_after(self.stream, after, PAGE)
        name, head = self.stream.name, self.stream.head
        events = [event for event in page if event.sequence_in(name) <= head]
        lines = "".join([event.forwarded().json(name) + "\n" for event in events]).encode()
        return lines, events[-1].sequence_in(name) if events else after

    def lines(self) -> Iterator[bytes]:
        """Yield the file, in pieces of whole lines."""
        yield self.header()
        lines, sequence = self.page(0)
        while lines:
            yield lines
            lines, sequence = self.page(sequence)


def lines_of(event_filter: EventFilter, shown: dict[str, Any]) -> Iterator[bytes]:
    """Yield a header line with the filter, then the matching events of all streams. Such a file cannot be imported,
    since it does not contain whole streams."""
    yield orjson.dumps({"format": FORMAT, "stream": None, "filter": shown, "count": None}) + b"\n"
    after, more = None, True
    while more:
        page = history.read(event_filter, after, PAGE)
        yield "".join([event.forwarded().json(event.stream) + "\n" for event in page.events]).encode()
        after, more = page.cursor, page.more


def _text(moment: datetime | None) -> str | None:
    return time_text(moment) if moment else None
