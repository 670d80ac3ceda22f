"""When the nodes of an execution ran, in a window of time: each run, or sums by bucket of time where they are many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from executions.models import Execution

MAX_RUNS = 500
"""Runs in a window that are returned one by one. More are added up."""
MAX_BUCKETS = 400
MAX_CELLS = 20_000
"""Cells of all nodes together, at most; but every node has MIN_BUCKETS."""
MIN_BUCKETS = 20

_IN_WINDOW = """
  execution_id = %(execution)s AND started_at IS NOT NULL AND taken_from IS NULL
  AND started_at < %(until)s AND COALESCE(ended_at, %(now)s) >= %(since)s
"""
_IDS = f"SELECT id FROM executions_noderun WHERE {_IN_WINDOW} LIMIT %(limit)s"  # noqa: S608
# A run is ready when the last node run that its items come from has ended.
_RUNS = """
SELECT n.node_id, n.run_index, n.status, n.attempt, n.started_at, n.ended_at, n.wake_at, n.error IS NULL,
  (SELECT max(source.ended_at) FROM json_each(n.inputs) AS input
    CROSS JOIN LATERAL json_to_recordset(input.value) AS ref(node text, run_index int)
    JOIN executions_noderun source ON source.execution_id = n.execution_id AND source.node_id = ref.node
      AND source.run_index = ref.run_index),
  (SELECT array_agg(ARRAY[w.created_at, w.resolved_at] ORDER BY w.created_at) FROM executions_wait w
    WHERE w.execution_id = n.execution_id AND w.node_id = n.node_id AND w.run_index = n.run_index),
  (SELECT array_agg(ARRAY[failed.ended_at, failed.retry_at] ORDER BY failed.ended_at) FROM json_to_recordset(
    CASE json_typeof(n.attempts) WHEN 'array' THEN n.attempts END)
    AS failed(ended_at timestamptz, retry_at timestamptz))
FROM executions_noderun n WHERE n.id = ANY(%s) ORDER BY n.started_at, n.id
"""
# Each run adds its start and its end to the buckets that they fall in. The time within a bucket follows from the runs
# that are open before it and the parts of it behind each start and end: no run is repeated for each of its buckets.
_CELLS = f"""
WITH runs AS (
  SELECT node_id, run_index, status = 'failed' AS failed, attempt > 1 AS retried,
    GREATEST(0, date_part('epoch', started_at - %(since)s) * 1000) AS began,
    LEAST(%(span)s, date_part('epoch', COALESCE(ended_at, %(now)s) - %(since)s) * 1000) AS ended,
    started_at >= %(since)s AS begins
  FROM executions_noderun WHERE {_IN_WINDOW}
), ends AS (
  SELECT node_id, LEAST(%(buckets)s - 1, floor(began / %(width)s)::int) AS bucket, began AS at, 1 AS sign, run_index,
    begins, failed, retried FROM runs
  UNION ALL
  SELECT node_id, LEAST(%(buckets)s - 1, floor(ended / %(width)s)::int), ended, -1, run_index, false, failed, retried
  FROM runs
)
SELECT node_id, bucket, count(*) FILTER (WHERE begins), count(*) FILTER (WHERE failed AND sign < 0),
  count(*) FILTER (WHERE retried AND sign < 0), min(run_index), max(run_index), sum(sign),
  sum(sign * ((bucket + 1) * %(width)s - at))
FROM ends GROUP BY node_id, bucket ORDER BY node_id, bucket
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class TimelineRun:
    """A node run. Times are in ms from the start of the execution."""

    node: str
    run_index: int
    status: str
    attempt: int
    ready_ms: float | None
    """When its last items arrived."""
    start_ms: float
    end_ms: float | None
    waits: list[tuple[float, float | None]] = field(default_factory=list)
    """When it waited: from and to."""
    failed_ms: list[float] = field(default_factory=list)
    """When its earlier attempts failed."""
    retries: list[tuple[float, float]] = field(default_factory=list)
    """The delays before its further attempts: from and to. Without those of which no end is stored."""


@dataclass(frozen=True, slots=True)
class TimelineCell:
    """The runs of a node in a bucket of time."""

    bucket: int
    runs: int
    """Runs that started in it."""
    failed: int
    retried: int
    busy: float
    """Their time within the bucket, as a share of it. More than 1 if runs overlap."""
    run_index: int
    """The first of the runs that start or end in it."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A window of the timeline. Times are in ms from the start of the execution."""

    from_ms: float
    to_ms: float
    now_ms: float
    """When it was read: runs that start later are not in it."""
    bucket_ms: float | None
    """The length of a bucket; null if `runs` has every run."""
    runs: list[TimelineRun]
    nodes: dict[str, list[TimelineCell]]
    """The cells of each node that ran in the window, by its id; empty if `runs` has every run."""


def timeline(execution: Execution, from_ms: float = 0, to_ms: float | None = None, buckets: int = 200) -> Timeline:
    """Return what ran between two times after the start of the execution; by default from the start to its end, or now.

    `buckets` is how many parts of time are wished for. Large graphs have fewer, so that the answer stays bounded.
    """
    zero, now = execution.started_at or execution.queued_at, timezone.now()
    if to_ms is None or to_ms <= from_ms:
        to_ms = max(from_ms + 1, _ms(execution.ended_at or now, zero) or 0)
    buckets = max(MIN_BUCKETS, min(buckets, MAX_BUCKETS, MAX_CELLS // max(1, execution.nodes_total)))
    span = to_ms - from_ms
    values: dict[str, Any] = {
        "execution": execution.pk, "since": zero + timedelta(milliseconds=from_ms), "now": now, "span": span,
        "until": zero + timedelta(milliseconds=to_ms), "limit": MAX_RUNS + 1, "buckets": buckets,
        "width": span / buckets,
    }  # fmt: skip
    now_ms = _ms(now, zero) or 0.0
    with connection.cursor() as cursor:
        cursor.execute(_IDS, values)
        ids = [row[0] for row in cursor.fetchall()]
        if len(ids) <= MAX_RUNS:
            return Timeline(from_ms, to_ms, now_ms, None, _runs(cursor, ids, zero), {})
        cursor.execute(_CELLS, values)
        return Timeline(from_ms, to_ms, now_ms, span / buckets, [], _cells(cursor.fetchall(), span / buckets))


def _runs(cursor: Any, ids: list[UUID], zero: datetime) -> list[TimelineRun]:
    cursor.execute(_RUNS, [ids])
    return [_run(row, zero) for row in cursor.fetchall()]


def _run(row: tuple[Any, ...], zero: datetime) -> TimelineRun:
    node, run_index, status, attempt, started, ended, wake_at, no_error, ready, waits, failures = row
    failed = [(failed_at, _earlier(retry_at, ended)) for failed_at, retry_at in failures or []]
    waited = [(_ms(begun, zero), _ms(over, zero)) for begun, over in waits or []]
    if not waited and not failed and wake_at is not None and no_error:  # it waited for a time, from its start
        waited = [(_ms(started, zero), _ms(_earlier(wake_at, ended), zero))]
    return TimelineRun(
        node,
        run_index,
        status,
        attempt,
        _ms(ready, zero),
        _ms(started, zero) or 0.0,
        _ms(ended, zero),
        [(begun, over) for begun, over in waited if begun is not None],
        [_ms(failed_at, zero) or 0.0 for failed_at, _ in failed],
        [(_ms(failed_at, zero) or 0.0, _ms(retry_at, zero) or 0.0) for failed_at, retry_at in failed if retry_at],
    )


def _earlier(moment: datetime | None, end: datetime | None) -> datetime | None:
    """Return the moment, or the end if it is earlier: a run may end in a wait."""
    return min(moment, end) if moment and end else moment


def _cells(rows: Iterable[tuple[Any, ...]], width: float) -> dict[str, list[TimelineCell]]:
    """Return the cells of each node, also those that a run lasts through without starting or ending in them."""
    nodes: dict[str, list[TimelineCell]] = {}
    still_open, latest = 0, 0
    for node, bucket, runs, failed, retried, first, last, change, milliseconds in rows:
        cells = nodes.get(node)
        if cells is None:
            cells = nodes[node] = []
            still_open = latest = 0
        if still_open:
            cells += [
                TimelineCell(between, 0, 0, 0, still_open, latest) for between in range(cells[-1].bucket + 1, bucket)
            ]
        busy = round(still_open + float(milliseconds) / width, 3)
        cells.append(TimelineCell(bucket, runs, failed, retried, max(0.0, busy), first))
        still_open, latest = still_open + int(change), last
    return nodes


def _ms(moment: datetime | None, zero: datetime) -> float | None:
    return None if moment is None else round((moment - zero).total_seconds() * 1000, 3)
