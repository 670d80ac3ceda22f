"""Spans of webhook deliveries: one for each attempt, with its phases, and one for the whole delivery at its end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from executions.otlp import material
from executions.otlp.phases import phase_spans
from executions.otlp.spans import SpanKind, TraceSpan
from workflow_platform.core.telemetry import exporting
from workflow_platform.core.telemetry.trace_context import (
    TraceContext,
    attempt_span,
    delivery_attempt_span,
    execution_span,
    span_id_of,
)

_COLUMNS = """
  a.id, a.number, a.outcome, a.started_at, a.status_code, a.url, a.error, a.error_class, a.dns_ms AS dns,
  a.connect_ms AS connect, a.tls_ms AS tls, a.first_byte_ms AS first_byte, a.total_ms AS total,
  d.id AS delivery, d.execution_id, d.workflow_id, d.node_id, d.run_index, d.method, d.event_type, d.event_id,
  d.created_at, d.attempts_before, e.name AS endpoint_name, n.attempt AS node_attempt
FROM webhooks_deliveryattempt a JOIN webhooks_delivery d ON d.id = a.delivery_id
LEFT JOIN webhooks_endpoint e ON e.id = d.endpoint_id
LEFT JOIN executions_noderun n
  ON n.execution_id = d.execution_id AND n.node_id = d.node_id AND n.run_index = d.run_index
"""
_DUE = f"""
SELECT {_COLUMNS} WHERE a.id IN (
  SELECT id FROM webhooks_deliveryattempt WHERE span_due ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
) ORDER BY a.id
"""  # noqa: S608
_OF_EXECUTIONS = f"""
SELECT {_COLUMNS} WHERE d.execution_id = ANY(%s::uuid[]) AND d.origin IN ('event', 'node') ORDER BY a.id
"""
_FINAL = ("delivered", "failed")


def due(most: int) -> list[dict[str, Any]]:
    """Return attempts whose spans are due, and lock them. `mark` them in the same transaction."""
    return _rows(_DUE, most)


def mark(attempts: Collection[Mapping[str, Any]]) -> None:
    """Record that the spans of attempts are exported."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE webhooks_deliveryattempt SET span_due = false WHERE id = ANY(%s)", [[a["id"] for a in attempts]]
        )


def of_executions(ids: Collection[str]) -> list[dict[str, Any]]:
    """Return the attempts of the deliveries of executions."""
    return _rows(_OF_EXECUTIONS, list(ids)) if ids else []


def _rows(statement: str, value: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [value])
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def spans_of_attempts(attempts: Collection[Mapping[str, Any]]) -> list[TraceSpan]:
    """Return the spans of attempts, and of the deliveries that ended with one."""
    contexts = material.contexts({attempt["execution_id"] for attempt in attempts})
    return [
        span
        for attempt in attempts
        if (context := contexts.get(attempt["execution_id"])) is not None and exporting.is_sampled(context)
        for span in _spans(attempt, context)
    ]


def _spans(attempt: Mapping[str, Any], context: TraceContext) -> Iterator[TraceSpan]:
    number, before = attempt["number"], attempt["attempts_before"]
    # Each redelivery is a span of its own; the attempts before it belong to the first.
    span_id = span_id_of("delivery", attempt["delivery"], before if number > before else 0)
    began: datetime = attempt["started_at"]
    ended = began + timedelta(milliseconds=attempt["total"] or 0)
    failed = attempt["outcome"] != "delivered"
    attempt_id = delivery_attempt_span(attempt["delivery"], number)
    yield TraceSpan(
        trace_id=context.trace_id,
        span_id=attempt_id,
        parent_id=span_id,
        name=attempt["method"],
        kind=SpanKind.CLIENT,
        began=began,
        ended=ended,
        attributes=_about(attempt)
        | {
            "webhook.attempt": number,
            "webhook.attempt.outcome": attempt["outcome"],
            "http.request.method": attempt["method"],
            "http.response.status_code": attempt["status_code"],
            "http.request.resend_count": number - 1 or None,
            "url.full": attempt["url"],
            "error.type": str(attempt["status_code"] or attempt["error_class"]) if failed else None,
        },
        error=attempt["error"] or attempt["outcome"] if failed else None,
    )
    yield from phase_spans(context.trace_id, attempt_id, began, attempt)
    if attempt["outcome"] in _FINAL:
        target = attempt["endpoint_name"] or attempt["url"].split("?")[0]
        yield TraceSpan(
            trace_id=context.trace_id,
            span_id=span_id,
            parent_id=_parent(attempt),
            name=f"deliver to {target}",
            kind=SpanKind.PRODUCER,
            began=attempt["created_at"],
            ended=ended,
            attributes=_about(attempt) | {"webhook.attempts": number},
            error=attempt["error"] if failed else None,
            succeeded=not failed,
        )


def _about(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "webhook.delivery.id": str(attempt["delivery"]),
        "webhook.endpoint": attempt["endpoint_name"],
        "workflow.event.type": attempt["event_type"],
        "workflow.event.id": str(attempt["event_id"]) if attempt["event_id"] else None,
        "workflow.id": str(attempt["workflow_id"]) if attempt["workflow_id"] else None,
        "workflow.execution.id": str(attempt["execution_id"]),
        "workflow.node.id": attempt["node_id"],
    }


def _parent(attempt: Mapping[str, Any]) -> str:
    """Return the span above a delivery: of the node's attempt that created it, or of the execution."""
    execution: UUID = attempt["execution_id"]
    if attempt["node_id"]:
        return attempt_span(execution, attempt["node_id"], attempt["run_index"] or 0, attempt["node_attempt"] or 1)
    return execution_span(execution)
