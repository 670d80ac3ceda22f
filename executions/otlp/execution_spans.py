"""Spans of whole executions: the request that started them, their queue, their waits and themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from events.log.recorded import RecordedEvent
from executions.otlp.material import TracedExecution, TracedRequest
from executions.otlp.node_spans import about
from executions.otlp.spans import Attributes, SpanEvent, SpanKind, SpanLink, TraceSpan
from workflow_platform.core.telemetry.trace_context import TraceContext, execution_span, span_id_of

_SHOWN = ("node", "run_index", "reason", "kind", "until", "level", "message", "by", "worker", "recoveries", "child")
"""The data of an event that its moment shows."""


def request_span(execution: TracedExecution, at: datetime, request: TracedRequest | None) -> TraceSpan:
    """Return the span of the request that started the execution, until it was stored at `at`."""
    return TraceSpan(
        trace_id=execution.trace_id,
        span_id=execution.parent_id,
        parent_id=execution.context.span_id,
        name=f"{request.method} /hooks/{request.path}" if request else "webhook request",
        kind=SpanKind.SERVER,
        began=request.received_at if request else at,
        ended=at,
        attributes={
            "http.request.method": request.method if request else None,
            "url.path": f"/hooks/{request.path}" if request else None,
            "http.response.status_code": request.status_code if request else None,
            "workflow.id": execution.workflow_id,
            "workflow.execution.id": execution.id,
        },
    )


def start_spans(execution: TracedExecution, event: RecordedEvent) -> Iterator[TraceSpan]:
    """Yield the zero-length span that shows at once that the execution runs, and what it waited for before."""
    at = event.happened_at
    yield _within(execution, "started", "execution started", at, at, _about(execution, event))
    queued, admitted = execution.queued_at, execution.admitted_at
    if admitted is not None and queued <= admitted <= at:  # a later one is from after a wait
        yield _within(execution, "admission", "admission", queued, admitted, {"workflow.wait": "limits"})
        queued = admitted
    yield _within(execution, "queue", "queue", queued, at, {"workflow.wait": "worker"})


def waiting_span(execution: TracedExecution, event: RecordedEvent) -> TraceSpan:
    """Return the zero-length span that shows at once that a node waits."""
    data = event.data
    attributes = _of_wait(execution, data) | {"workflow.event.sequence": event.sequence}
    name = f"{data['name']} waits"
    return _within(execution, f"waiting {event.sequence}", name, event.happened_at, event.happened_at, attributes)


def end_spans(
    execution: TracedExecution, event: RecordedEvent, moments: Sequence[RecordedEvent], rerun: TraceContext | None
) -> Iterator[TraceSpan]:
    """Yield the span of the whole execution, which has ended, and those of the waits and pauses in it.

    `moments` are its other events; `rerun` is the context of the execution that it repeats.
    """
    data, at = event.data, event.happened_at
    error, summary = data.get("error"), data["summary"]
    status = event.type.removeprefix("execution.")
    attributes = _about(execution, event) | {
        "workflow.execution.status": status,
        "workflow.execution.recoveries": execution.recoveries or None,
        "workflow.nodes.executed": summary["nodes_executed"],
        "workflow.nodes.failed": summary["nodes_failed"],
        "workflow.nodes.skipped": summary["nodes_skipped"],
        "error.type": error["type"] if error else "timeout" if status == "timed_out" else None,
    }
    attributes |= {f"workflow.attribute.{key}": value for key, value in execution.attributes.items()}
    links = []
    if execution.rerun_of and rerun:
        about_rerun = {"workflow.link": "rerun_of", "workflow.execution.id": execution.rerun_of}
        links.append(SpanLink(rerun.trace_id, execution_span(execution.rerun_of), about_rerun))
    yield TraceSpan(
        trace_id=execution.trace_id,
        span_id=execution.span_id,
        parent_id=execution.parent_id,
        name=execution.workflow_name,
        began=execution.queued_at,
        ended=at,
        attributes=attributes,
        events=[_moment(each) for each in moments if each.type != "execution.node_started"],
        links=links,
        error=_error(status, data),
        succeeded=status == "completed",
    )
    yield from _waits(execution, moments, at)


def _error(status: str, data: Mapping[str, Any]) -> str | None:
    if status == "failed":
        return str(data["error"]["message"])
    if status == "timed_out":
        return f"The execution took longer than its limit of {data['limit_ms']} ms."
    return None


def _about(execution: TracedExecution, event: RecordedEvent) -> dict[str, Any]:
    return {
        "workflow.id": execution.workflow_id,
        "workflow.name": execution.workflow_name,
        "workflow.version": execution.workflow_version,
        "workflow.workspace.id": execution.workspace_id,
        "workflow.execution.id": execution.id,
        "workflow.execution.trigger": execution.trigger,
        "workflow.execution.priority": execution.priority,
        "workflow.execution.mode": execution.mode,
        "workflow.event.sequence": event.sequence,
    }


def _within(
    execution: TracedExecution, kind: str, name: str, began: datetime, ended: datetime, attributes: Attributes
) -> TraceSpan:
    return TraceSpan(
        trace_id=execution.trace_id,
        span_id=span_id_of(kind, execution.id),
        parent_id=execution.span_id,
        name=name,
        began=began,
        ended=ended,
        attributes=attributes,
    )


def _moment(event: RecordedEvent) -> SpanEvent:
    data = event.forwarded().data
    shown = {f"workflow.{name}": data[name] for name in _SHOWN if data.get(name) is not None}
    return SpanEvent(event.type, event.happened_at, {"workflow.event.sequence": event.sequence} | shown)


def _of_wait(execution: TracedExecution, data: Mapping[str, Any]) -> dict[str, Any]:
    attributes = about(execution, data["node"], data["name"], data["node_type"], data["run_index"])
    return attributes | {
        "workflow.wait": data["kind"],
        "workflow.wait.reason": data["reason"],
        "workflow.wait.until": data["until"],
        "workflow.wait.child": data["child"],
    }


def _waits(execution: TracedExecution, moments: Sequence[RecordedEvent], ended: datetime) -> Iterator[TraceSpan]:
    """Yield a span for each wait of a node, until the node started again, and for each pause."""
    waiting: dict[tuple[str, int], RecordedEvent] = {}
    paused: RecordedEvent | None = None

    def wait_span(event: RecordedEvent, until: datetime) -> TraceSpan:
        data = event.data
        name = f"{data['name']}: wait for {data['kind']}"
        kind = f"wait {event.sequence}"
        return _within(execution, kind, name, event.happened_at, until, _of_wait(execution, data))

    def pause_span(event: RecordedEvent, until: datetime) -> TraceSpan:
        reason = {"workflow.reason": event.data["reason"]}
        return _within(execution, f"pause {event.sequence}", "paused", event.happened_at, until, reason)

    for event in moments:
        kind = event.type.removeprefix("execution.")
        if kind in {"node_waiting", "node_started"}:
            key = (event.data["node"], event.data["run_index"])
            if (begun := waiting.pop(key, None)) is not None:
                yield wait_span(begun, event.happened_at)
            if kind == "node_waiting":
                waiting[key] = event
        elif kind == "paused":
            paused = event
        elif kind == "resumed" and paused is not None:
            yield pause_span(paused, event.happened_at)
            paused = None
    for event in waiting.values():
        yield wait_span(event, ended)
    if paused is not None:
        yield pause_span(paused, ended)
