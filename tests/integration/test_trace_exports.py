"""Traces in this process: durable, repeatable, out of history, as protobuf; and what a collector refuses."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from events import bus
from executions.lifecycle import create_execution, request_cancel
from executions.models import Execution, Trigger
from executions.otlp.building import TYPES
from executions.otlp.exporting import export_events
from executions.otlp.history import earlier_spans
from tests.collecting import Collector, collecting, values
from tests.engine import COMMITS, make_workflow, run_here
from tests.sending import Sending, sending
from tests.workflows import edge, node
from webhooks import outbox
from webhooks.maintenance import sent_spans
from webhooks.models import Delivery, Lane, Origin
from workflow_platform.core.telemetry.trace_context import TraceContext, attempt_span, execution_span, span_id_of
from workflow_platform.installation.embedded import wait_until

CALLER = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)


@pytest.fixture
def collector(settings: Any) -> Iterator[Collector]:
    """Have a collector that the settings name."""
    with collecting() as found:
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = found.url
        yield found


@pytest.fixture
def here() -> Iterator[Sending]:
    with sending() as found:
        yield found


def executed(**further: Any) -> Execution:
    """Run two nodes, of which the second fails."""
    nodes = [node("start", "manual_trigger"), node("stop", "stop_and_error", message="No token=abcdefghijkl here.")]
    workflow = make_workflow(nodes, [edge("start", "stop")])
    execution = create_execution(workflow=workflow, trigger=Trigger.API, input=[{"n": 1}], **further)
    return run_here(execution)


def consume(name: str) -> None:
    """Handle what has been appended since the consumer of this name was made."""
    bus.consume(name, export_events, TYPES, begin="start", once=True)


@COMMITS
@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
def test_spans_of_a_failed_execution_arrive_once_in_either_encoding(
    collector: Collector, here: Sending, settings: Any, protocol: str
) -> None:
    settings.OTEL_EXPORTER_OTLP_PROTOCOL = protocol
    execution = executed(traceparent=CALLER.traceparent(sampled=True))
    assert execution.trace_id.hex == CALLER.trace_id
    name = uuid4().hex
    consume(name)
    consume(name)
    here.until(delivered=1)
    root = collector.spans[execution_span(execution.pk)]
    assert (root["traceId"], root["parentSpanId"]) == (CALLER.trace_id, CALLER.span_id)
    about = values(root["attributes"])
    assert (about["workflow.execution.status"], about["workflow.nodes.failed"]) == ("failed", 1)
    assert attempt_span(execution.pk, "stop", 0, 1) in collector.spans
    assert "abcdefghijkl" not in str(collector.spans)
    assert not collector.repeated
    (sent,) = Delivery.objects.filter(origin=Origin.TRACE)
    assert (sent.body, sent.workspace_id, sent.execution_id) == ("", None, None)
    assert outbox.redeliver([sent]) == []


@COMMITS
def test_history_gives_the_same_spans_and_samplers_leave_out_whole_traces(
    collector: Collector, settings: Any, tmp_path: Path
) -> None:
    execution = executed()
    other = executed(traceparent=CALLER.traceparent(sampled=False))
    name = uuid4().hex
    consume(name)
    (batch,) = Delivery.objects.filter(origin=Origin.TRACE).values_list("body", flat=True)
    ids = {span["spanId"] for span in _spans(batch)}
    assert execution_span(execution.pk) in ids
    assert execution_span(other.pk) not in ids
    file, out = tmp_path / "trace.jsonl", io.StringIO()
    call_command("export_traces", "--execution", str(execution.pk), "--file", str(file), stdout=out)
    written = [span for line in file.read_text().splitlines() for span in _spans(line)]
    assert {span["spanId"] for span in written} == ids
    assert out.getvalue() == f"{len(ids)} spans of 1 traces written.\n"
    call_command("export_traces", "--since", "1h", "--dry-run", stdout=out)
    assert Delivery.objects.filter(origin=Origin.TRACE).count() == 1
    call_command("export_traces", "--workflow", str(execution.workflow_id), stdout=out)
    assert Delivery.objects.filter(origin=Origin.TRACE).count() == 2
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""
    with pytest.raises(CommandError, match="OTEL_EXPORTER_OTLP_ENDPOINT is not set"):
        call_command("export_traces")


@COMMITS
def test_a_rerun_is_a_new_trace_with_a_link_and_a_cancelled_node_has_its_span(collector: Collector) -> None:
    first = executed(traceparent=CALLER.traceparent(sampled=True))
    again = create_execution(workflow=first.workflow, trigger=Trigger.RERUN, input=[], rerun_of=first)
    run_here(again)
    waiting = create_execution(
        workflow=make_workflow(
            [node("start", "manual_trigger"), node("rest", "wait", seconds=3_600)], [edge("start", "rest")]
        ),
        trigger=Trigger.WEBHOOK,
        input=[],
        trigger_node="start",
    )
    run_here(waiting)
    request_cancel(waiting, reason="Enough.")
    spans = {span.span_id: span for page in earlier_spans() for span in page}
    root = spans[execution_span(again.pk)]
    assert root.trace_id == again.pk.hex
    assert [(link.trace_id, link.span_id) for link in root.links] == [(CALLER.trace_id, execution_span(first.pk))]
    waiting.refresh_from_db()
    assert waiting.ended_at is not None
    rest = spans[attempt_span(waiting.pk, "rest", 0, 1)]
    assert (rest.ended, rest.attributes["error.type"]) == (waiting.ended_at, "cancelled") or rest.ended
    request = spans[span_id_of("request", str(waiting.pk))]
    assert spans[execution_span(waiting.pk)].parent_id == request.span_id
    (wait,) = [span for span in spans.values() if span.name == "Rest: wait for time"]
    assert wait.ended == spans[execution_span(waiting.pk)].ended


@COMMITS
def test_what_a_collector_rejects_is_logged_and_without_one_nothing_is_sent(
    collector: Collector, here: Sending, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    collector.answer = b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "Too old."}}'
    executed()
    consume(uuid4().hex)
    with caplog.at_level(logging.WARNING, "webhooks.sending.collector"):
        here.until(delivered=1)
    assert "collector rejected 2 spans of a delivery that it accepted: Too old." in caplog.text
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""
    (unsent,) = outbox.create_for_collector(['{"resourceSpans": []}'])
    here.until(delivered=1, failed=1)
    unsent.refresh_from_db()
    assert unsent.error == "Traces are not exported: OTEL_EXPORTER_OTLP_ENDPOINT is not set."
    assert sent_spans.remove_old() == 0
    Delivery.objects.filter(status="delivered").update(ended_at="2026-01-01T00:00:00Z")
    assert sent_spans.remove_old() == 1
    assert outbox.redeliver([unsent]) == [unsent.pk]


@COMMITS
def test_a_collector_that_refuses_is_asked_again_unless_the_batch_is_at_fault(
    collector: Collector, here: Sending
) -> None:
    collector.refusals = [401, 403, 404, 415, 429, 503]
    execution = executed()
    consume(uuid4().hex)

    def accepted() -> bool:  # retries and circuit breakers do not wait
        Lane.objects.update(open_until=None, not_before=None)
        Delivery.objects.filter(status="pending").update(due_at=timezone.now())
        here.drain()
        return execution_span(execution.pk) in collector.spans

    wait_until(accepted, "The spans")
    assert not collector.refusals
    assert not collector.repeated
    for status in (400, 413):
        collector.refusals = [status]
        (dropped,) = outbox.create_for_collector(['{"resourceSpans": []}'])
        here.drain()
        dropped.refresh_from_db()
        assert (dropped.status, dropped.status_code) == ("failed", status)


def _spans(request: str) -> list[dict[str, Any]]:
    (of_resource,) = json.loads(request)["resourceSpans"]
    return list(of_resource["scopeSpans"][0]["spans"])
