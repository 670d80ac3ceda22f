"""Which executions are let through to the workers: limits, fairness, and why one is not let through yet.

The database is the queue. An execution stands in line until it is *admitted* (`admitted_at`), which makes its RQ job;
it counts against the limits from then until it ends or gives its lease back. In line are those that are queued, and
those that waited or were paused and are to go on. Workspaces take turns: the next is of the workspace that has the
fewest admitted; within it the place is `rank_at`, an age with an offset for priority.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from executions import background, queueing
from executions.statuses import ExecutionStatus

ADMISSION_LOCK = 0x61646D69
"""Advisory lock: one process at a time counts and admits, so that no limit is overrun."""
LOOKED_AT = 20_000
"""How far down the line one admission looks."""
ENDED = [status.value for status in ExecutionStatus if status.ended]

_LINE = """
WITH active AS MATERIALIZED (
  SELECT workspace_id, workflow_id, concurrency_key FROM executions_execution
  WHERE admitted_at IS NOT NULL AND status <> ALL(%(ended)s)
), line AS MATERIALIZED (
  (SELECT id, workspace_id, workflow_id, concurrency_key, rank_at, started_at IS NULL AS fresh
   FROM executions_execution WHERE admitted_at IS NULL AND status = 'queued' ORDER BY rank_at LIMIT %(looked_at)s)
  UNION ALL
  (SELECT id, workspace_id, workflow_id, concurrency_key, rank_at, started_at IS NULL
   FROM executions_execution WHERE admitted_at IS NULL AND status IN ('waiting', 'paused')
   AND resume_at <= clock_timestamp() ORDER BY resume_at LIMIT %(looked_at)s)
), keyed AS (
  SELECT line.*, w.max_concurrent, w.max_concurrent_per_key, w.rate_limit,
    CASE WHEN w.rate_limit IS NULL THEN NULL ELSE floor(
      (w.rate_seconds - GREATEST(0, extract(epoch FROM w.rate_spent_until - clock_timestamp())))
      / (w.rate_seconds / w.rate_limit) + 1e-6) END AS allowance,
    row_number() OVER (PARTITION BY line.workflow_id, line.concurrency_key ORDER BY line.rank_at, line.id)
      + COALESCE(a.n, 0) AS in_key
  FROM line JOIN executions_workflow w ON w.id = line.workflow_id
  LEFT JOIN (SELECT workflow_id, concurrency_key, count(*) AS n FROM active GROUP BY 1, 2) a
    ON a.workflow_id = line.workflow_id AND a.concurrency_key = line.concurrency_key
), of_workflow AS (
  SELECT keyed.*,
    row_number() OVER (PARTITION BY keyed.workflow_id ORDER BY rank_at, id) + COALESCE(a.n, 0) AS in_workflow,
    count(*) FILTER (WHERE fresh) OVER (PARTITION BY keyed.workflow_id ORDER BY rank_at, id) AS fresh_before
  FROM keyed LEFT JOIN (SELECT workflow_id, count(*) AS n FROM active GROUP BY 1) a USING (workflow_id)
  WHERE %(all)s OR max_concurrent_per_key IS NULL OR in_key <= max_concurrent_per_key
), of_workspace AS (
  SELECT of_workflow.*, COALESCE(s.max_concurrent, %(workspace_cap)s) AS workspace_cap,
    row_number() OVER (PARTITION BY of_workflow.workspace_id ORDER BY rank_at, of_workflow.id) + COALESCE(a.n, 0)
      AS in_workspace
  FROM of_workflow JOIN accounts_workspace s ON s.id = of_workflow.workspace_id
  LEFT JOIN (SELECT workspace_id, count(*) AS n FROM active GROUP BY 1) a ON a.workspace_id = of_workflow.workspace_id
  WHERE %(all)s OR ((of_workflow.max_concurrent IS NULL OR in_workflow <= of_workflow.max_concurrent)
    AND (allowance IS NULL OR NOT fresh
      OR (fresh_before <= allowance AND of_workflow.workflow_id = ANY(%(spendable)s::uuid[]))))
)
"""

_ADMIT = (
    _LINE  # noqa: S608 - nothing from outside is in it
    + """, chosen AS (
  SELECT id FROM of_workspace WHERE in_workspace <= workspace_cap
  ORDER BY in_workspace, rank_at, id
  LIMIT GREATEST(0, %(cap)s - (SELECT count(*) FROM active))
), free AS (
  SELECT id FROM executions_execution WHERE id IN (SELECT id FROM chosen) AND admitted_at IS NULL
  FOR UPDATE SKIP LOCKED
)
UPDATE executions_execution e SET admitted_at = clock_timestamp() FROM free WHERE e.id = free.id
RETURNING e.id, e.priority, e.fencing_token, e.workflow_id, e.started_at IS NULL
"""
)

_SPENDABLE = """
SELECT id FROM executions_workflow w WHERE rate_limit IS NOT NULL AND EXISTS (
  SELECT 1 FROM executions_execution e WHERE e.workflow_id = w.id AND e.admitted_at IS NULL AND e.status = 'queued'
) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""
# Never waited for: who holds a workflow may want the streams that this transaction holds.

_SPEND = """
UPDATE executions_workflow SET rate_spent_until = GREATEST(rate_spent_until, clock_timestamp())
  + make_interval(secs => %s * rate_seconds / rate_limit) WHERE id = %s AND rate_limit IS NOT NULL
"""


def figures(spendable: Sequence[UUID] = (), *, everything: bool = False) -> dict[str, Any]:
    """Return the parameters of the queries above; with `everything` no limit leaves anything out."""
    return {
        "ended": ENDED,
        "looked_at": LOOKED_AT,
        "cap": settings.PERF_MAX_CONCURRENT_EXECUTIONS,
        "workspace_cap": settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS,
        "all": everything,
        "spendable": list(spendable),
    }


def admit_or_poke() -> None:
    """Admit inside the caller's transaction if nobody else is at it; else have it done after the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ADMISSION_LOCK])
        (mine,) = cursor.fetchone()
    if mine:
        _admit()
    else:
        transaction.on_commit(background.admit)


@transaction.atomic
def admit() -> int:
    """Let through what the limits allow. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM executions_execution WHERE admitted_at IS NULL AND status = 'queued')"
            " OR EXISTS (SELECT 1 FROM executions_execution WHERE admitted_at IS NULL AND resume_at <= now()"
            " AND status IN ('waiting', 'paused'))"
        )
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADMISSION_LOCK])
    return _admit()


def _admit() -> int:
    """Admit under the lock; the jobs are queued once the transaction has committed."""
    with connection.cursor() as cursor:
        cursor.execute(_SPENDABLE)
        spendable = [row[0] for row in cursor.fetchall()]
        cursor.execute(_ADMIT, figures(spendable))
        rows = cursor.fetchall()
        started: dict[UUID, int] = {}
        for _, _, _, workflow_id, fresh in rows:
            started[workflow_id] = started.get(workflow_id, 0) + fresh
        cursor.executemany(_SPEND, [(n, workflow_id) for workflow_id, n in sorted(started.items()) if n])
    jobs = [queueing.NextClaim(id_, priority, token) for id_, priority, token, _, _ in rows]
    if jobs:
        transaction.on_commit(lambda: queueing.enqueue_quietly(jobs))
    return len(jobs)


def follow_up_on_commit() -> None:
    """Have those that an execution's end concerns told of it, and its place given to the next, after the commit."""
    transaction.on_commit(background.follow_up)
