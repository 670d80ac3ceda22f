"""Spans, and how OTLP writes them as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

import orjson

MAX_TEXT = 500
"""The most characters of an attribute or message."""
MAX_EVENTS = 200
MAX_LINKS = 32
MAX_SPANS, MAX_BYTES = 300, 512 * 1024
"""The limits of one delivery."""
SCOPE = {"name": "workflow-platform"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OK, _ERROR = 1, 2

Value = str | int | float | bool | None
Attributes = Mapping[str, Value]


class SpanKind(IntEnum):
    """What a span is to others, with OTLP's numbers."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """A moment within a span."""

    name: str
    at: datetime
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanLink:
    """Another span that a span depends on and is no child of."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """A span. Attributes that are None are left out."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    began: datetime
    ended: datetime
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Attributes = field(default_factory=dict)
    events: Sequence[SpanEvent] = ()
    links: Sequence[SpanLink] = ()
    error: str | None = None
    """Why it failed; None if it did not."""
    succeeded: bool = False

    def otlp(self) -> dict[str, Any]:
        """Return the span as OTLP JSON."""
        span: dict[str, Any] = {
            "traceId": self.trace_id,
            "spanId": self.span_id,
            "name": self.name[:MAX_TEXT],
            "kind": int(self.kind),
            "startTimeUnixNano": _nanoseconds(self.began),
            "endTimeUnixNano": _nanoseconds(max(self.began, self.ended)),
            "attributes": _attributes(self.attributes),
        }
        if self.parent_id:
            span["parentSpanId"] = self.parent_id
        if self.events:
            kept = self.events[:MAX_EVENTS]
            span["events"] = [
                {"name": e.name, "timeUnixNano": _nanoseconds(e.at), "attributes": _attributes(e.attributes)}
                for e in kept
            ]
            if dropped := len(self.events) - len(kept):
                span["droppedEventsCount"] = dropped
        if self.links:
            linked = self.links[:MAX_LINKS]
            span["links"] = [
                {"traceId": link.trace_id, "spanId": link.span_id, "attributes": _attributes(link.attributes)}
                for link in linked
            ]
            if dropped := len(self.links) - len(linked):
                span["droppedLinksCount"] = dropped
        if self.error is not None:
            span["status"] = {"code": _ERROR, "message": self.error[:MAX_TEXT]}
        elif self.succeeded:
            span["status"] = {"code": _OK}
        return span


def requests_of(spans: Iterable[TraceSpan], resource: Attributes) -> Iterator[str]:
    """Yield ExportTraceServiceRequests as JSON texts, each within MAX_SPANS and about MAX_BYTES."""
    batch: list[bytes] = []
    size = 0
    for span in spans:
        text = orjson.dumps(span.otlp())
        if batch and (len(batch) >= MAX_SPANS or size + len(text) > MAX_BYTES):
            yield _request(batch, resource)
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield _request(batch, resource)


def _request(spans: Sequence[bytes], resource: Attributes) -> str:
    of_resource = orjson.dumps({"attributes": _attributes(resource)})
    scope = orjson.dumps(SCOPE)
    text = b'{"resourceSpans":[{"resource":%b,"scopeSpans":[{"scope":%b,"spans":[%b]}]}]}'
    return (text % (of_resource, scope, b",".join(spans))).decode()


def _nanoseconds(moment: datetime) -> str:
    """Return nanoseconds since 1970, as text: JSON's numbers do not hold them."""
    return str((moment - _EPOCH) // _MICROSECOND * 1_000)


def _attributes(values: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None and value != ""]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)[:MAX_TEXT].replace("\0", "�")}
