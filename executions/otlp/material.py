"""The rows that spans are made of, read in bulk: a few statements for any number of events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from events.log import reading
from events.log.recorded import RecordedEvent
from executions.models import Execution
from workflow_platform.core.telemetry.trace_context import TraceContext, execution_span, span_id_of

RunKey = tuple[str, str, int]
"""Execution, node and run index."""
MOST_EVENTS = 400
"""The most events of an execution that its span shows as moments; nodes that wait are among them."""


@dataclass(frozen=True, slots=True)
class TracedExecution:
    """What spans show of an execution. Ids are texts, as in events."""

    id: str
    context: TraceContext
    workflow_id: str
    workflow_name: str
    workflow_version: int
    workspace_id: str
    trigger: str
    mode: str
    priority: str
    queued_at: datetime
    admitted_at: datetime | None
    started_at: datetime | None
    recoveries: int
    attributes: dict[str, str]
    rerun_of: str | None
    stream_id: int

    @property
    def trace_id(self) -> str:
        return self.context.trace_id

    @property
    def span_id(self) -> str:
        """Return the span of the execution, under which everything in it is."""
        return execution_span(self.id)

    @property
    def has_request(self) -> bool:
        """Return whether a request to a webhook trigger started it, which has a span above that of the execution."""
        return self.trigger == "webhook"

    @property
    def parent_id(self) -> str:
        """Return the span above that of the execution; empty if the trace begins with it."""
        return span_id_of("request", self.id) if self.has_request else self.context.span_id


@dataclass(frozen=True, slots=True)
class TracedRun:
    """What spans show of a node run."""

    execution_id: str
    node: str
    run_index: int
    name: str
    node_type: str
    attempt: int
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    earlier: list[dict[str, Any]]
    """Its attempts before the last one, as `NodeRun.attempts` has them, without their errors."""
    sources: list[dict[str, Any]]
    """The node runs that its items came from: [{"input", "node", "run_index"}]."""
    input_items: int
    failed_items: int
    exchanges: list[dict[str, Any]]
    """What it sent over HTTP: [{"attempt", "method", "url", "status"}]."""

    @property
    def key(self) -> RunKey:
        return self.execution_id, self.node, self.run_index


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """What spans show of the request that started an execution."""

    method: str
    path: str
    received_at: datetime
    status_code: int | None


_EXECUTION_FIELDS = (
    "id", "trace_parent", "parent_id", "depth", "workflow_id", "workspace_id", "trigger", "mode", "priority",
    "queued_at", "admitted_at", "started_at", "recoveries", "attributes", "rerun_of_id", "stream_id", "workflow__name",
    "version__number",
)  # fmt: skip


def executions(ids: Collection[str]) -> dict[str, TracedExecution]:
    """Return executions by id, without those that do not exist any more."""
    rows = Execution.objects.filter(pk__in=ids).select_related("workflow", "version").order_by()
    return {
        str(row.pk): TracedExecution(
            str(row.pk), row.trace_context, str(row.workflow_id), row.workflow.name, row.version.number,
            str(row.workspace_id), row.trigger, row.mode,
            row.priority, row.queued_at, row.admitted_at, row.started_at, row.recoveries, row.attributes,
            str(row.rerun_of_id) if row.rerun_of_id else None, row.stream_id,
        )
        for row in rows.only(*_EXECUTION_FIELDS)
    }  # fmt: skip


# Only what is shown is read: the columns can hold 64 KB. Exchanges that are not HTTP have no method.
_RUN = """
SELECT n.execution_id::text, n.node_id, n.run_index, n.name, n.node_type, n.attempt, n.status, n.started_at,
  n.ended_at,
  (SELECT json_agg(json_build_object('attempt', a->'attempt', 'ended_at', a->'ended_at', 'duration_ms',
    a->'duration_ms', 'retry_at', a->'retry_at')) FROM json_array_elements(n.attempts) a)::text,
  (SELECT json_agg(json_build_object('input', i.key, 'node', r->'node', 'run_index', r->'run_index', 'items',
    r->'items')) FROM json_each(n.inputs) i, json_array_elements(i.value) r)::text,
  n.failed_items,
  (SELECT json_agg(json_build_object('attempt', x->'attempt', 'method', x->'request'->'method', 'url',
    x->'request'->'url', 'status', x->'answer'->'status'))
    FROM (SELECT x FROM json_array_elements(n.exchange->'exchanges') x
    WHERE x->'request'->>'method' IS NOT NULL LIMIT 50) found)::text
FROM executions_noderun n
"""
_BY_KEY = (
    f"{_RUN} JOIN unnest(%s::uuid[], %s::text[], %s::int[]) AS k(execution_id, node_id, run_index)"
    " ON n.execution_id = k.execution_id AND n.node_id = k.node_id AND n.run_index = k.run_index"
)
_CANCELLED = f"{_RUN} WHERE n.execution_id = ANY(%s::uuid[]) AND n.status = 'cancelled' AND n.started_at IS NOT NULL"


def runs(keys: Iterable[RunKey]) -> dict[RunKey, TracedRun]:
    """Return node runs by their keys, without those that do not exist any more."""
    wanted = sorted(set(keys))
    return _runs(_BY_KEY, [[key[i] for key in wanted] for i in range(3)]) if wanted else {}


def cancelled_runs(ended: Collection[str]) -> dict[RunKey, TracedRun]:
    """Return the node runs that ended because these executions did: no event reports them."""
    return _runs(_CANCELLED, [list(ended)]) if ended else {}


def _runs(statement: str, values: Sequence[Any]) -> dict[RunKey, TracedRun]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    found = {}
    for row in rows:
        earlier, sources, exchanges = (orjson.loads(row[i]) if row[i] else [] for i in (9, 10, 12))
        items = sum(source["items"] or 0 for source in sources)
        run = TracedRun(*[*row[:9], earlier, sources, items, row[11], exchanges])
        found[run.key] = run
    return found


def attempts_of(keys: Iterable[RunKey]) -> dict[RunKey, int]:
    """Return the number of the last attempt of node runs."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.execution_id::text, n.node_id, n.run_index, n.attempt FROM executions_noderun n"
            " JOIN unnest(%s::uuid[], %s::text[], %s::int[]) AS k(execution_id, node_id, run_index)"
            " ON n.execution_id = k.execution_id AND n.node_id = k.node_id AND n.run_index = k.run_index",
            [[key[i] for key in wanted] for i in range(3)],
        )
        return {(execution, node, run_index): attempt for execution, node, run_index, attempt in cursor.fetchall()}


def requests(ids: Collection[str]) -> dict[str, TracedRequest]:
    """Return the requests that started executions, by the execution: it has the id of its request's row."""
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id::text, method, path, received_at, status_code FROM webhooks_inboundrequest"
            " WHERE id = ANY(%s::uuid[])",
            [list(ids)],
        )
        return {row[0]: TracedRequest(*row[1:]) for row in cursor.fetchall()}


MOMENTS = (
    "execution.node_skipped", "execution.node_waiting", "execution.log", "execution.waiting", "execution.paused",
    "execution.resumed", "execution.recovered", "execution.cancel_requested",
)  # fmt: skip
"""Events that the span of an execution shows as moments."""
_MOMENTS = f"""
SELECT {reading.COLUMNS} FROM (
  SELECT x.*, row_number() OVER (PARTITION BY x.stream_id ORDER BY x.sequence) AS place
  FROM events_event x WHERE x.stream_id = ANY(%s) AND x.type = ANY(%s)
) e JOIN events_stream s ON s.id = e.stream_id AND e.sequence > s.removed_through
WHERE e.place <= %s ORDER BY e.stream_id, e.sequence
"""  # noqa: S608
_STARTS = f"""
SELECT {reading.COLUMNS} FROM {reading.SOURCE}
WHERE e.stream_id = ANY(%s) AND e.type = 'execution.node_started'
  AND (e.stream_id, e.data->>'node') IN (SELECT * FROM unnest(%s::bigint[], %s::text[]))
ORDER BY e.stream_id, e.sequence
"""  # noqa: S608


def moments(stream_ids: Sequence[int]) -> dict[str, list[RecordedEvent]]:
    """Return, by execution, the events that are moments of its span, and the starts of the nodes that waited."""
    if not stream_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_MOMENTS, [list(stream_ids), list(MOMENTS), MOST_EVENTS])
        found = reading.recorded(cursor.fetchall())
        waited = {(e.stream_id, e.data["node"]) for e in found if e.type == "execution.node_waiting"}
        if waited:
            streams, nodes = zip(*sorted(waited), strict=True)
            cursor.execute(_STARTS, [sorted(set(streams)), list(streams), list(nodes)])
            found += reading.recorded(cursor.fetchall())
    by_execution: dict[str, list[RecordedEvent]] = {}
    for event in sorted(found, key=lambda each: each.sequence):
        by_execution.setdefault(event.execution_id or "", []).append(event)
    return by_execution


def contexts(ids: Collection[UUID]) -> dict[UUID, TraceContext]:
    """Return the trace contexts of executions, without those that do not exist."""
    rows = Execution.objects.filter(pk__in=ids).only("trace_parent", "parent_id", "depth").order_by()
    return {row.pk: row.trace_context for row in rows}
