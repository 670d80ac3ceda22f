"""Statistics of a workflow: what its executions and nodes usually take, and what they take now.

They are counted from rows when they are asked for, over the newest live executions of a span of time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from executions.listing.patience import limited
from executions.models import Workflow

MAX_DAYS = 30
MOST_EXECUTIONS = 2_000
"""The newest executions of the span that count."""
MOST_RUNS_OF_NODE = 20
"""Runs of one node that count in one execution: a loop does not need all of its turns."""
RECENT = 10
"""The newest completed executions, whose median is shown as "now"."""
PATIENCE_MS = 3_000

_EXECUTIONS = """
SELECT id, status, queued_at, extract(epoch FROM ended_at - started_at)::float8 * 1000
FROM executions_execution
WHERE workflow_id = %s AND queued_at >= %s AND mode = 'live' AND ended_at IS NOT NULL
ORDER BY id DESC LIMIT %s
"""
_NODES = """
WITH newest AS (SELECT id, rank, day FROM unnest(%(ids)s::uuid[], %(ranks)s::int[], %(days)s::int[]) AS t (id, rank, day)),
runs AS (
  SELECT run.node_id, newest.rank, newest.day, run.status, run.from_cache,
    CASE WHEN run.status = 'completed' AND NOT run.from_cache AND run.taken_from IS NULL
      THEN extract(epoch FROM run.ended_at - run.started_at)::float8 * 1000 END AS ms
  FROM newest JOIN executions_noderun run ON run.execution_id = newest.id
  WHERE run.run_index < %(per_node)s AND run.status IN ('completed', 'failed')
),
by_node AS (
  SELECT node_id, count(*) AS runs, count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE from_cache) AS cache_hits,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) AS p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE rank <= %(recent)s) AS now
  FROM runs GROUP BY node_id
),
by_day AS (
  SELECT node_id, day, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50 FROM runs WHERE ms IS NOT NULL
  GROUP BY node_id, day
)
SELECT by_node.*, (SELECT json_object_agg(day, p50) FROM by_day WHERE by_day.node_id = by_node.node_id)
FROM by_node
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in milliseconds; None if it has not completed in the span."""

    p50_ms: float | None
    p95_ms: float | None
    now_ms: float | None
    """The median of the newest `RECENT` completed executions."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day of the trend, in UTC. The median is null for a day without a completed run."""

    day: str
    executions: int
    failed: int
    p50_ms: float | None


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """The runs of one node."""

    node: str
    name: str
    runs: int
    failed: int
    cache_hits: int
    spread: Spread
    trend: list[float | None]
    """The median of each day, parallel to the days of the workflow."""


@dataclass(frozen=True, slots=True)
class WorkflowStatistics:
    """The statistics of a workflow over the newest executions since `since`."""

    since: datetime
    executions: int
    more: bool
    """Whether the span has more executions than were counted."""
    statuses: dict[str, int]
    spread: Spread
    days: list[DayFigures] = field(default_factory=list)
    nodes: list[NodeFigures] | None = None
    """In the order of the definition; None if counting took too long: choose fewer days."""


def statistics(workflow: Workflow, days: int) -> WorkflowStatistics:
    """Return the statistics of the last `days` days, today included. Two queries, each bounded."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=days - 1)
    with connection.cursor() as cursor:
        cursor.execute(_EXECUTIONS, [workflow.pk, since, MOST_EXECUTIONS + 1])
        rows = cursor.fetchall()
    counted = rows[:MOST_EXECUTIONS]
    statuses: dict[str, int] = {}
    for _, status, _, _ in counted:
        statuses[status] = statuses.get(status, 0) + 1
    completed = [ms for _, status, _, ms in counted if status == "completed" and ms is not None]
    return WorkflowStatistics(
        since=since,
        executions=len(counted),
        more=len(rows) > MOST_EXECUTIONS,
        statuses=statuses,
        spread=Spread(_share(completed, 0.5), _share(completed, 0.95), _share(completed[:RECENT], 0.5)),
        days=[_day(since + timedelta(days=offset), counted) for offset in range(days)],
        nodes=limited(lambda: _nodes(workflow, counted, since, days), PATIENCE_MS),
    )


def _day(start: datetime, rows: list[tuple[UUID, str, datetime, float | None]]) -> DayFigures:
    its = [row for row in rows if start <= row[2] < start + timedelta(days=1)]
    completed = [ms for _, status, _, ms in its if status == "completed" and ms is not None]
    failed = sum(status in {"failed", "timed_out"} for _, status, _, _ in its)
    return DayFigures(start.date().isoformat(), len(its), failed, _share(completed, 0.5))


def _nodes(workflow: Workflow, counted: list[Any], since: datetime, days: int) -> list[NodeFigures]:
    ranks, rank = [], 0
    for _, status, _, _ in counted:
        rank += status == "completed"
        ranks.append(max(1, rank))
    values: dict[str, Any] = {
        "ids": [row[0] for row in counted],
        "ranks": ranks,
        "days": [(row[2] - since).days for row in counted],
        "per_node": MOST_RUNS_OF_NODE,
        "recent": RECENT,
    }
    with connection.cursor() as cursor:
        cursor.execute(_NODES, values)
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    nodes = workflow.latest_version.nodes if workflow.latest_version else []
    figures = []
    for node in nodes:
        if node["id"] in found:
            runs, failed, cache_hits, p50, p95, now, medians = found[node["id"]]
            by_day = json.loads(medians) if medians else {}
            trend = [_rounded(by_day.get(str(day))) for day in range(days)]
            spread = Spread(_rounded(p50), _rounded(p95), _rounded(now))
            name = node.get("name") or node["id"]
            figures.append(NodeFigures(node["id"], name, runs, failed, cache_hits, spread, trend))
    return figures


def _share(values: list[float], share: float) -> float | None:
    """Return a percentile as PostgreSQL's `percentile_cont` does, between the two nearest values."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return _rounded(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)
