"""Spans of node runs: one for each attempt. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from executions.otlp.material import RunKey, TracedExecution, TracedRun
from executions.otlp.spans import Attributes, SpanLink, TraceSpan
from workflow_platform.core.telemetry.trace_context import attempt_span

CANCELLED = "Cancelled: the execution ended first."


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt of a node run ended, and the event that says so."""

    at: datetime
    attempt: int
    sequence: int | None
    error_type: str = ""
    error: str | None = None
    attributes: Attributes | None = None


def attempt_span_of(
    execution: TracedExecution, run: TracedRun, end: AttemptEnd, attempts: Mapping[RunKey, int]
) -> TraceSpan:
    """Return the span of an attempt. `attempts` are the last ones of the runs that its items came from."""
    began = _began(run, end)
    calls = [call for call in run.exchanges if call["attempt"] == end.attempt]
    return TraceSpan(
        trace_id=execution.trace_id,
        span_id=attempt_span(execution.id, run.node, run.run_index, end.attempt),
        parent_id=execution.span_id,
        name=run.name,
        began=began,
        ended=end.at,
        attributes=about(execution, run.node, run.name, run.node_type, run.run_index)
        | {
            "workflow.node.attempt": end.attempt,
            "workflow.node.input_items": run.input_items,
            "workflow.node.failed_items": run.failed_items or None,
            "workflow.event.sequence": end.sequence,
            "error.type": end.error_type or None,
        }
        | (_of_call(calls[0]) if len(calls) == 1 else {})
        | dict(end.attributes or {}),
        links=_links(execution, run, attempts),
        error=end.error,
        succeeded=end.error is None,
    )


def about(execution: TracedExecution, node: str, name: str, node_type: str, run_index: int) -> dict[str, Any]:
    """Return the attributes that tell a node run."""
    return {
        "workflow.id": execution.workflow_id,
        "workflow.execution.id": execution.id,
        "workflow.node.id": node,
        "workflow.node.name": name,
        "workflow.node.type": node_type,
        "workflow.node.run_index": run_index,
    }


def _began(run: TracedRun, end: AttemptEnd) -> datetime:
    """Return when an attempt began. The one after a retry begins when that was due."""
    of_attempt = {each["attempt"]: each for each in run.earlier}
    if (own := of_attempt.get(end.attempt)) is not None:
        return datetime.fromisoformat(own["ended_at"]) - timedelta(milliseconds=own["duration_ms"] or 0)
    if (before := of_attempt.get(end.attempt - 1)) is not None and before["retry_at"]:
        return min(datetime.fromisoformat(before["retry_at"]), end.at)
    return run.started_at or end.at


def _links(execution: TracedExecution, run: TracedRun, attempts: Mapping[RunKey, int]) -> list[SpanLink]:
    """Return links to the node runs that a join received items from; a node with one source has none."""
    if len(run.sources) < 2:
        return []
    return [
        SpanLink(
            execution.trace_id,
            attempt_span(
                execution.id, source["node"], source["run_index"],
                attempts.get((execution.id, source["node"], source["run_index"]), 1),
            ),
            {"workflow.node.input": source["input"], "workflow.node.id": source["node"]},
        )
        for source in run.sources
        if source["run_index"] >= 0
    ]  # fmt: skip


def _of_call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "http.request.method": call["method"],
        "url.full": call["url"],
        "http.response.status_code": call["status"],
    }
