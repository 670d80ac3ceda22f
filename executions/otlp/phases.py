"""Spans of the phases of an outbound request. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from executions.otlp.spans import TraceSpan
from workflow_platform.core.telemetry.trace_context import span_id_of


def phase_spans(
    trace_id: str, parent_id: str, began: datetime, phases: Mapping[str, float | None]
) -> Iterator[TraceSpan]:
    """Yield the spans of a request's phases: `{dns, connect, tls, first_byte, total}` in milliseconds.

    `connect` and `tls` are durations; the others count from the beginning. A phase that did not happen is None, such as
    the connection of a request over a kept one.
    """
    at = phases.get("dns") or 0.0
    ends = [("dns", 0.0, phases.get("dns"))]
    for name in ("connect", "tls"):
        took = phases.get(name)
        ends.append((name, at, None if took is None else at + took))
        at += took or 0.0
    ends.append(("first byte", at, phases.get("first_byte")))
    if phases.get("first_byte") is not None:
        ends.append(("body", phases["first_byte"] or 0.0, phases.get("total")))
    for name, start, end in ends:
        if end is not None:
            yield TraceSpan(
                trace_id=trace_id,
                span_id=span_id_of("phase", parent_id, name),
                parent_id=parent_id,
                name=name,
                began=began + timedelta(milliseconds=start),
                ended=began + timedelta(milliseconds=max(start, end)),
            )
