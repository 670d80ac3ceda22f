"""Spans as OTLP has them: JSON with hex ids and nanoseconds as text, bounded, and the same as protobuf."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from executions.otlp import spans
from executions.otlp.phases import phase_spans
from executions.otlp.spans import SpanEvent, SpanKind, SpanLink, TraceSpan, requests_of
from workflow_platform.core.telemetry import protobuf

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AT = datetime(2026, 12, 1, 4, 5, 6, 789012, tzinfo=UTC)


def span(number: int = 1, **fields: Any) -> TraceSpan:
    defaults: dict[str, Any] = {"parent_id": "", "name": "Ask", "began": AT, "ended": AT + timedelta(seconds=1)}
    return TraceSpan(trace_id=TRACE, span_id=f"{number:016x}", **defaults | fields)


def test_a_span_is_written_as_the_protocol_says() -> None:
    written = span(
        parent_id="a" * 16,
        kind=SpanKind.CLIENT,
        attributes={"text": "é", "whole": 2**53, "part": 0.5, "yes": True, "none": None, "empty": ""},
        events=[SpanEvent("execution.log", AT, {"workflow.level": "info"})],
        links=[SpanLink(TRACE, "b" * 16)],
        error="It failed.",
    ).otlp()
    assert written == {
        "traceId": TRACE,
        "spanId": "0000000000000001",
        "parentSpanId": "a" * 16,
        "name": "Ask",
        "kind": 3,
        "startTimeUnixNano": "1796097906789012000",
        "endTimeUnixNano": "1796097907789012000",
        "attributes": [
            {"key": "text", "value": {"stringValue": "é"}},
            {"key": "whole", "value": {"intValue": str(2**53)}},
            {"key": "part", "value": {"doubleValue": 0.5}},
            {"key": "yes", "value": {"boolValue": True}},
        ],
        "events": [
            {
                "name": "execution.log",
                "timeUnixNano": "1796097906789012000",
                "attributes": [{"key": "workflow.level", "value": {"stringValue": "info"}}],
            }
        ],
        "links": [{"traceId": TRACE, "spanId": "b" * 16, "attributes": []}],
        "status": {"code": 2, "message": "It failed."},
    }


def test_what_a_span_holds_is_bounded_and_says_so() -> None:
    moments = [SpanEvent("execution.log", AT)] * (spans.MAX_EVENTS + 3)
    links = [SpanLink(TRACE, "b" * 16)] * (spans.MAX_LINKS + 2)
    written = span(attributes={"long": "x" * 9_999}, events=moments, links=links, name="n" * 9_999).otlp()
    assert (len(written["events"]), written["droppedEventsCount"]) == (spans.MAX_EVENTS, 3)
    assert (len(written["links"]), written["droppedLinksCount"]) == (spans.MAX_LINKS, 2)
    assert len(written["attributes"][0]["value"]["stringValue"]) == len(written["name"]) == spans.MAX_TEXT


def test_batches_have_limits_and_every_span_once() -> None:
    made = [span(n) for n in range(2 * spans.MAX_SPANS + 1)]
    batches = [json.loads(text) for text in requests_of(made, {"service.name": "tests"})]
    of_batches = [batch["resourceSpans"][0]["scopeSpans"][0]["spans"] for batch in batches]
    assert [len(each) for each in of_batches] == [spans.MAX_SPANS, spans.MAX_SPANS, 1]
    assert [each["spanId"] for batch in of_batches for each in batch] == [each.span_id for each in made]
    long = [span(n, attributes={f"a{i}": "x" * spans.MAX_TEXT for i in range(100)}) for n in range(30)]
    assert all(len(text) < spans.MAX_BYTES + 1_000 for text in requests_of(long, {}))
    assert list(requests_of([], {})) == []


def test_protobuf_says_the_same_as_json() -> None:
    made = span(parent_id="a" * 16, attributes={"n": 1}, links=[SpanLink(TRACE, "b" * 16)], error="No.")
    (text,) = requests_of([made], {"service.name": "tests"})
    request = trace_service_pb2.ExportTraceServiceRequest.FromString(protobuf.request_of(text))
    (read,) = request.resource_spans[0].scope_spans[0].spans
    assert (read.trace_id.hex(), read.span_id.hex(), read.parent_span_id.hex()) == (TRACE, made.span_id, "a" * 16)
    assert (read.links[0].span_id.hex(), read.status.message, read.attributes[0].value.int_value) == (
        "b" * 16,
        "No.",
        1,
    )
    assert read.end_time_unix_nano - read.start_time_unix_nano == 10**9
    answer = trace_service_pb2.ExportTraceServiceResponse(
        partial_success={"rejected_spans": 3, "error_message": "Full."}
    )
    assert protobuf.partial_success(answer.SerializeToString()) == (3, "Full.")
    with pytest.raises(ValueError, match=r"."):
        protobuf.partial_success(b"\xff\xff not protobuf")


def test_phases_follow_each_other_and_leave_out_what_did_not_happen() -> None:
    of_new = {"dns": 2.0, "connect": 3.0, "tls": 5.0, "first_byte": 30.0, "total": 40.0}
    found = [(each.name, _ms(each.began), _ms(each.ended)) for each in phase_spans(TRACE, "a" * 16, AT, of_new)]
    assert found == [
        ("dns", 0, 2), ("connect", 2, 5), ("tls", 5, 10), ("first byte", 10, 30), ("body", 30, 40),
    ]  # fmt: skip
    of_kept = {"dns": 1.0, "connect": None, "tls": None, "first_byte": 9.0, "total": 10.0}
    assert [each.name for each in phase_spans(TRACE, "a" * 16, AT, of_kept)] == ["dns", "first byte", "body"]
    refused = {"dns": 1.0, "connect": 4.0, "tls": None, "first_byte": None, "total": 5.0}
    assert [each.name for each in phase_spans(TRACE, "a" * 16, AT, refused)] == ["dns", "connect"]
    assert list(phase_spans(TRACE, "a" * 16, AT, {})) == []


def _ms(moment: datetime) -> float:
    return (moment - AT) / timedelta(milliseconds=1)
