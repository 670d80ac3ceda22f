"""The position of an execution in the queue, and the counts behind it. Each function runs one statement."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from executions.admission.admission import ACTIVE, RATE_PART, limit_parameters
from executions.models import Execution

HOLDERS = 5
RECENT = 100
"""The number of recent executions of a workspace that determine the expected duration."""

_COUNTS = f"""
WITH active AS MATERIALIZED (
  SELECT workspace_id, workflow_id, concurrency_key, status, mode = 'live' OR NOT %(live)s AS counts
  FROM executions_execution WHERE {ACTIVE}
), line AS MATERIALIZED (
  SELECT workspace_id, workflow_id, concurrency_key, mode = 'live' AS live,
    (rank_at, id) < (%(rank_at)s, %(id)s) AS ahead
  FROM executions_execution WHERE admitted_at IS NULL AND status = 'queued'
), own AS (
  SELECT count(*) FILTER (WHERE workflow_id = %(workflow)s AND concurrency_key = %(key)s) AS key_line,
    count(*) FILTER (WHERE workflow_id = %(workflow)s AND concurrency_key = %(key)s AND ahead) AS key_ahead,
    count(*) FILTER (WHERE workflow_id = %(workflow)s) AS workflow_line,
    count(*) FILTER (WHERE workflow_id = %(workflow)s AND ahead) AS workflow_ahead,
    count(*) FILTER (WHERE workspace_id = %(workspace)s) AS workspace_line,
    count(*) FILTER (WHERE workspace_id = %(workspace)s AND ahead) AS workspace_ahead,
    count(*) AS cluster_line FROM line
), used AS (
  SELECT count(*) FILTER (WHERE workflow_id = %(workflow)s AND concurrency_key = %(key)s AND counts) AS key_used,
    count(*) FILTER (WHERE workflow_id = %(workflow)s AND counts) AS workflow_used,
    count(*) FILTER (WHERE workspace_id = %(workspace)s) AS workspace_used,
    count(*) AS cluster_used, count(*) FILTER (WHERE status = 'running') AS running FROM active
), turns AS (  -- of other workspaces: the workspace with the fewest admitted is next
  SELECT l.live, l.tests, GREATEST(0, used.workspace_used + own.workspace_ahead - COALESCE(a.n, 0)) AS earlier
  FROM (SELECT workspace_id, count(*) FILTER (WHERE live) AS live, count(*) FILTER (WHERE NOT live) AS tests
    FROM line WHERE workspace_id <> %(workspace)s GROUP BY 1) l
  LEFT JOIN (SELECT workspace_id, count(*) AS n FROM active GROUP BY 1) a USING (workspace_id), own, used
), others AS (  -- for a test: all live ones, then the tests with an earlier turn
  SELECT COALESCE(sum(CASE WHEN %(live)s THEN LEAST(live, earlier)
    ELSE live + LEAST(tests, GREATEST(0, earlier - live)) END), 0) AS n FROM turns
)
SELECT own.*, used.*, own.workspace_ahead + others.n AS cluster_ahead,
  w.max_concurrent_per_key AS key_limit, w.max_concurrent AS workflow_limit, w.rate_limit, w.rate_seconds,
  COALESCE(s.max_concurrent, %(workspace_cap)s) AS workspace_limit,
  ARRAY(SELECT extract(epoch FROM b.began_at - clock_timestamp())::float8 + w.rate_seconds + {RATE_PART}
    FROM executions_ratebucket b, generate_series(1,
      LEAST(b.starts + CASE WHEN %(live)s THEN 0 ELSE b.test_starts END, 10000)) WHERE b.workflow_id = w.id
    AND b.began_at > clock_timestamp() - make_interval(secs => w.rate_seconds + {RATE_PART}) ORDER BY 1) AS rate_frees
FROM own, used, others, executions_workflow w JOIN accounts_workspace s ON s.id = w.workspace_id
WHERE w.id = %(workflow)s
"""  # noqa: S608 - nothing from outside is in it

_HOLDERS = f"""
WITH held AS MATERIALIZED (
  SELECT id, workspace_id, workflow_id, status, admitted_at FROM executions_execution WHERE {ACTIVE}
  AND (%(scope)s = 'cluster' OR workspace_id = %(workspace)s)
  AND (%(scope)s NOT IN ('workflow', 'key') OR workflow_id = %(workflow)s)
  AND (%(scope)s <> 'key' OR concurrency_key = %(key)s)
  AND (%(scope)s NOT IN ('workflow', 'key') OR mode = 'live' OR NOT %(live)s)
), took AS (
  SELECT avg(extract(epoch FROM ended.ended_at - ended.started_at))::float8 AS seconds
  FROM (SELECT DISTINCT workspace_id FROM held LIMIT 10) s CROSS JOIN LATERAL (
    SELECT workflow_id, started_at, ended_at FROM executions_execution e
    WHERE e.workspace_id = s.workspace_id AND e.ended_at IS NOT NULL AND e.mode = 'live'
    ORDER BY e.ended_at DESC LIMIT {RECENT}) ended
  WHERE ended.started_at IS NOT NULL AND ended.workflow_id IN (SELECT workflow_id FROM held)
)
SELECT took.seconds, h.id, h.status, h.admitted_at, w.id, w.name FROM took LEFT JOIN (
  SELECT * FROM held WHERE workspace_id = ANY(%(visible)s) ORDER BY admitted_at, id LIMIT {HOLDERS}) h ON true
LEFT JOIN executions_workflow w ON w.id = h.workflow_id ORDER BY h.admitted_at, h.id
"""  # noqa: S608


def queue_counts(execution: Execution) -> dict[str, Any]:
    """Return for each limit of the execution its value, its use, the executions ahead, and the length of the queue:
    `{key,workflow,workspace,cluster}_{limit,used,ahead,line}`. `rate_frees` are the seconds until each counted start no
    longer counts against the rate limit; `running` is the number of running executions."""
    values = limit_parameters() | {
        "id": execution.pk,
        "rank_at": execution.rank_at,
        "live": execution.is_live,
        "workflow": execution.workflow_id,
        "workspace": execution.workspace_id,
        "key": execution.concurrency_key,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, values)
        row = cursor.fetchone()
        counts = dict(zip([column.name for column in cursor.description or ()], row, strict=True))
    return counts | {
        "cluster_limit": settings.PERF_MAX_CONCURRENT_EXECUTIONS,
        "cluster_ahead": int(counts["cluster_ahead"]),
    }


def holders_of(execution: Execution, scope: str, visible: list[UUID]) -> tuple[float | None, list[dict[str, Any]]]:
    """Return the average duration in seconds of the executions that hold the limit, and the visible ones of them."""
    values = limit_parameters() | {
        "scope": scope,
        "live": execution.is_live,
        "visible": visible,
        "workspace": execution.workspace_id,
        "workflow": execution.workflow_id,
        "key": execution.concurrency_key,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, values)
        rows = cursor.fetchall()
    holders = [
        {"execution": str(id_), "workflow": str(workflow), "workflow_name": name, "status": status, "admitted_at": at}
        for _, id_, status, at, workflow, name in rows
        if id_ is not None
    ]
    return rows[0][0], holders
