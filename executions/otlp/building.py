"""Makes the spans of events: the same ones whenever and however often it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from events.catalogue.event_types import TERMINAL
from events.log.recorded import RecordedEvent
from executions.otlp import material
from executions.otlp.execution_spans import end_spans, request_span, start_spans, waiting_span
from executions.otlp.material import RunKey, TracedExecution, TracedRequest, TracedRun
from executions.otlp.node_spans import CANCELLED, AttemptEnd, attempt_span_of
from executions.otlp.spans import TraceSpan
from workflow_platform.core.telemetry import exporting
from workflow_platform.core.telemetry.trace_context import TraceContext

_ATTEMPT_ENDS = frozenset({"execution.node_completed", "execution.node_failed", "execution.node_retrying"})
TYPES = (*sorted(_ATTEMPT_ENDS | TERMINAL), "execution.queued", "execution.started", "execution.node_waiting")
"""The events that complete a span. What else happens is shown by the span of the execution when that ends."""


@dataclass(slots=True)
class _Material:
    executions: dict[str, TracedExecution]
    runs: dict[RunKey, TracedRun] = field(default_factory=dict)
    cancelled: list[TracedRun] = field(default_factory=list)
    attempts: dict[RunKey, int] = field(default_factory=dict)
    """The last attempts of the node runs that joins received items from."""
    requests: dict[str, TracedRequest] = field(default_factory=dict)
    moments: dict[str, list[RecordedEvent]] = field(default_factory=dict)
    reruns: dict[UUID, TraceContext] = field(default_factory=dict)
    """The contexts of the executions that reruns repeat."""


def spans_of(events: Sequence[RecordedEvent]) -> list[TraceSpan]:
    """Return the spans that these events complete, in their order. Executions that were removed, or whose traces are
    not sampled, have none."""
    ids = {event.execution_id for event in events if event.execution_id}
    found = material.executions(ids) if ids else {}
    sampled = {pk: each for pk, each in found.items() if exporting.is_sampled(each.context)}
    events = [event for event in events if event.execution_id in sampled]
    read = _read(events, sampled)
    return [span for event in events for span in _spans_of(event, read)]


def _read(events: Sequence[RecordedEvent], executions: dict[str, TracedExecution]) -> _Material:
    ended = [executions[e.execution_id or ""] for e in events if e.type in TERMINAL]
    read = _Material(executions)
    read.runs = material.runs(_key(event) for event in events if event.type in _ATTEMPT_ENDS)
    cancelled = material.cancelled_runs([each.id for each in ended])
    read.cancelled = list(cancelled.values())
    read.attempts = material.attempts_of(
        (run.execution_id, source["node"], source["run_index"])
        for run in (*read.runs.values(), *read.cancelled)
        if len(run.sources) > 1
        for source in run.sources
    )
    queued = [executions[e.execution_id or ""] for e in events if e.type == "execution.queued"]
    read.requests = material.requests([each.id for each in queued if each.has_request])
    read.moments = material.moments([each.stream_id for each in ended])
    repeated = {UUID(each.rerun_of) for each in ended if each.rerun_of}
    read.reruns = material.contexts(repeated) if repeated else {}
    return read


def _spans_of(event: RecordedEvent, read: _Material) -> Iterator[TraceSpan]:
    execution = read.executions[event.execution_id or ""]
    if event.type in _ATTEMPT_ENDS:
        run = read.runs.get(_key(event))
        if run is not None and not event.data.get("taken_from"):  # a reused output was no attempt of this execution
            yield attempt_span_of(execution, run, _end(event), read.attempts)
    elif event.type == "execution.queued":
        if execution.has_request:
            yield request_span(execution, event.happened_at, read.requests.get(execution.id))
    elif event.type == "execution.started":
        yield from start_spans(execution, event)
    elif event.type == "execution.node_waiting":
        yield waiting_span(execution, event)
    else:
        for run in read.cancelled:
            if run.execution_id == execution.id and run.ended_at is not None:
                end = AttemptEnd(run.ended_at, run.attempt, None, "cancelled", CANCELLED)
                yield attempt_span_of(execution, run, end, read.attempts)
        rerun = read.reruns.get(UUID(execution.rerun_of)) if execution.rerun_of else None
        yield from end_spans(execution, event, read.moments.get(execution.id, ()), rerun)


def _key(event: RecordedEvent) -> RunKey:
    data = event.data
    return event.execution_id or "", data["node"], data["run_index"]


def _end(event: RecordedEvent) -> AttemptEnd:
    data = event.forwarded().data
    error = data.get("error")
    shown = ("output_items", "output_bytes", "cpu_ms", "memory_bytes", "from_cache", "on_error", "delay_ms")
    return AttemptEnd(
        event.happened_at,
        data["attempt"],
        event.sequence,
        error["type"] if error else "",
        error["message"] if error else None,
        {f"workflow.node.{name}": data[name] for name in shown if data.get(name) not in (None, False)}
        | _cost(data.get("cost") or {}),
    )


def _cost(cost: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return what a node run waited for and called, over all attempts, such as `workflow.node.calls.first_byte_ms`."""
    parts = ((part, cost.get(part) or {}) for part in ("waits", "calls"))
    return {f"workflow.node.{part}.{name}": value for part, values in parts for name, value in values.items()}
