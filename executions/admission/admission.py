"""Admission: starts executions as the limits and the turns of workspaces allow. `explanation` explains the queue.

The database is the queue. An execution is queued until it is *admitted* (`admitted_at`), which creates its RQ job. It
counts against the limits until it ends or releases its lease. The queue contains new executions, and waiting or paused
ones that are due to continue. Workspaces take turns: the workspace with the fewest admitted executions is next; within
a workspace the order is `rank_at`, the age with an offset for the priority. Test and debug executions come after all
live ones, and live ones do not wait for them: for a live execution the limits of a workflow count live executions only,
for a test all.

Each workflow has a separate queue, and an admission pass reads only its head: the cost grows with the number of
workflows that have queued executions, not with the length of their queues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from executions.admission import after_commit, rq_queues
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution
from workflow_platform.core.postgresql import prepared

ADMISSION_LOCK = 0x61646D69
"""Advisory lock: one process at a time counts and admits, so that no limit is exceeded."""
KEYED_LOOK = 500
"""The least number of executions that a pass reads from the queue of a workflow with keys, which may share one."""
DUE_LOOK = 5_000
"""The number of executions to resume that one pass checks."""
MOST_PASSES = 50
RATE_PARTS = 64
"""The number of parts of a rate limit's span in which starts are counted. A start counts for the span and up to one
part more, so that no span has more starts than the limit."""
ENDED = [status.value for status in ExecutionStatus if status.ended]

ACTIVE = "admitted_at IS NOT NULL AND status <> ALL(%(ended)s)"
"""The executions that count against the limits."""
COUNTED = """counted AS MATERIALIZED (
  SELECT active.*, g.for_live FROM active JOIN (VALUES (true), (false)) AS g(for_live) ON active.live OR NOT g.for_live
)"""
"""The rows of `active`, once for each kind of execution that they count for: live ones (`for_live`) or tests."""
RATE_PART = f"GREATEST(0.001, w.rate_seconds / {RATE_PARTS})"
"""The length of a part in seconds, for the workflow `w`."""

_PASS = f"""
WITH RECURSIVE active AS MATERIALIZED (
  SELECT workspace_id, workflow_id, concurrency_key, mode = 'live' AS live FROM executions_execution WHERE {ACTIVE}
), {COUNTED}, free AS MATERIALIZED (
  SELECT GREATEST(0, %(cap)s - count(*)) AS slots FROM active
), full_keys AS MATERIALIZED (
  SELECT a.workflow_id, a.concurrency_key, a.for_live FROM counted a JOIN executions_workflow w ON w.id = a.workflow_id
  WHERE w.max_concurrent_per_key IS NOT NULL
  GROUP BY 1, 2, 3, w.max_concurrent_per_key HAVING count(*) >= w.max_concurrent_per_key
), full_workflows AS MATERIALIZED (
  SELECT a.workflow_id, a.for_live FROM counted a JOIN executions_workflow w ON w.id = a.workflow_id
  WHERE w.max_concurrent IS NOT NULL GROUP BY 1, 2, w.max_concurrent HAVING count(*) >= w.max_concurrent
), full_workspaces AS MATERIALIZED (
  SELECT a.workspace_id FROM active a JOIN accounts_workspace s ON s.id = a.workspace_id
  GROUP BY a.workspace_id, s.max_concurrent HAVING count(*) >= COALESCE(s.max_concurrent, %(workspace_cap)s)
), due AS MATERIALIZED (
  SELECT id, workflow_id, concurrency_key, rank_at, mode = 'live' AS live FROM executions_execution
  WHERE admitted_at IS NULL AND status IN ('waiting', 'paused') AND resume_at <= statement_timestamp()
    AND (workflow_id, mode = 'live') NOT IN (SELECT workflow_id, for_live FROM full_workflows)
    AND workspace_id NOT IN (SELECT workspace_id FROM full_workspaces)
    AND (workflow_id, concurrency_key, mode = 'live')
      NOT IN (SELECT workflow_id, concurrency_key, for_live FROM full_keys)
  ORDER BY resume_at LIMIT {DUE_LOOK}
), queued AS (
  (SELECT workflow_id FROM executions_execution WHERE admitted_at IS NULL AND status = 'queued'
   ORDER BY workflow_id LIMIT 1)
  UNION ALL
  SELECT following.workflow_id FROM queued CROSS JOIN LATERAL (
    SELECT e.workflow_id FROM executions_execution e
    WHERE e.admitted_at IS NULL AND e.status = 'queued' AND e.workflow_id > queued.workflow_id
    ORDER BY e.workflow_id LIMIT 1) following
), workflows AS MATERIALIZED (
  SELECT w.id, w.workspace_id, w.max_concurrent, w.max_concurrent_per_key, w.rate_limit,
    COALESCE(a.live, 0) AS active_live, COALESCE(a.n, 0) AS active,
    COALESCE(s.max_concurrent, %(workspace_cap)s) AS workspace_cap,
    LEAST(free.slots, w.max_concurrent - COALESCE(a.live, 0)) AS room,
    w.rate_limit - spent.live AS allowance, w.rate_limit - spent.n AS test_allowance
  FROM (SELECT workflow_id FROM queued UNION SELECT workflow_id FROM due) l
  JOIN executions_workflow w ON w.id = l.workflow_id JOIN accounts_workspace s ON s.id = w.workspace_id
  LEFT JOIN (SELECT workflow_id, count(*) FILTER (WHERE live) AS live, count(*) AS n FROM active GROUP BY 1) a
    ON a.workflow_id = w.id
  CROSS JOIN LATERAL (
    SELECT COALESCE(sum(b.starts), 0) AS live, COALESCE(sum(b.starts + b.test_starts), 0) AS n
    FROM executions_ratebucket b WHERE b.workflow_id = w.id
      AND b.began_at > clock_timestamp() - make_interval(secs => w.rate_seconds + {RATE_PART})) spent
  CROSS JOIN free
  WHERE free.slots > 0 AND w.id NOT IN (SELECT workflow_id FROM full_workflows WHERE for_live)
    AND w.workspace_id NOT IN (SELECT workspace_id FROM full_workspaces)
), line AS MATERIALIZED (
  SELECT w.id AS workflow_id, head.* FROM workflows w CROSS JOIN LATERAL (
    SELECT e.id, e.concurrency_key, e.rank_at, e.mode = 'live' AS live, e.started_at IS NULL AS fresh
    FROM executions_execution e
    WHERE e.workflow_id = w.id AND e.admitted_at IS NULL AND e.status = 'queued'
      AND (e.workflow_id, e.concurrency_key, e.mode = 'live')
        NOT IN (SELECT workflow_id, concurrency_key, for_live FROM full_keys)
    ORDER BY e.rank_at
    LIMIT CASE WHEN w.max_concurrent_per_key IS NULL THEN w.room ELSE GREATEST(w.room, {KEYED_LOOK}) END) head
  WHERE w.allowance IS NULL OR w.allowance > 0
  UNION ALL SELECT workflow_id, id, concurrency_key, rank_at, live, false FROM due
), keyed AS (
  SELECT line.*, w.workspace_id, w.max_concurrent, w.max_concurrent_per_key, w.workspace_cap,
    CASE WHEN line.live THEN w.active_live ELSE w.active END AS active,
    CASE WHEN line.live THEN w.allowance ELSE w.test_allowance END AS allowance,
    row_number() OVER (PARTITION BY line.workflow_id, line.concurrency_key ORDER BY line.rank_at, line.id)
      + COALESCE(a.n, 0) AS in_key
  FROM line JOIN workflows w ON w.id = line.workflow_id
  LEFT JOIN (SELECT workflow_id, concurrency_key, for_live, count(*) AS n FROM counted GROUP BY 1, 2, 3) a
    ON a.workflow_id = line.workflow_id AND a.concurrency_key = line.concurrency_key AND a.for_live = line.live
), of_workflow AS (
  SELECT keyed.*, active + row_number() OVER (PARTITION BY workflow_id ORDER BY rank_at, id) AS in_workflow,
    count(*) FILTER (WHERE fresh) OVER (PARTITION BY workflow_id ORDER BY rank_at, id) AS fresh_before
  FROM keyed WHERE max_concurrent_per_key IS NULL OR in_key <= max_concurrent_per_key
), of_workspace AS (
  SELECT of_workflow.*, COALESCE(a.n, 0)
    + row_number() OVER (PARTITION BY of_workflow.workspace_id ORDER BY rank_at, of_workflow.id) AS in_workspace
  FROM of_workflow
  LEFT JOIN (SELECT workspace_id, count(*) AS n FROM active GROUP BY 1) a ON a.workspace_id = of_workflow.workspace_id
  WHERE (max_concurrent IS NULL OR in_workflow <= max_concurrent)
    AND (allowance IS NULL OR NOT fresh OR fresh_before <= allowance)
), chosen AS (
  SELECT id FROM of_workspace WHERE in_workspace <= workspace_cap
  ORDER BY live DESC, in_workspace, rank_at, id LIMIT (SELECT slots FROM free)
), locked AS (
  SELECT e.id, w.max_concurrent_per_key IS NOT NULL AS keyed, w.rate_limit IS NOT NULL AS limited
  FROM executions_execution e JOIN workflows w ON w.id = e.workflow_id
  WHERE e.id IN (SELECT id FROM chosen) AND e.admitted_at IS NULL AND e.status IN ('queued', 'waiting', 'paused')
  FOR UPDATE OF e SKIP LOCKED
)
UPDATE executions_execution e SET admitted_at = clock_timestamp() FROM locked WHERE e.id = locked.id
RETURNING e.id, CASE WHEN e.mode = 'live' THEN e.priority ELSE 'low' END, e.fencing_token, e.mode = 'live',
  e.workflow_id, e.started_at IS NULL, locked.keyed, locked.limited
"""  # noqa: S608 - nothing from outside is in it

_ACTIVE_NOW = f"admitted_at IS NOT NULL AND status NOT IN ({', '.join(repr(status) for status in ENDED)})"
"""ACTIVE without parameters: a prepared statement uses a partial index only for conditions that it spells out."""
_ROOM = f"""
WITH active AS MATERIALIZED (
  SELECT workspace_id, count(*) AS n FROM executions_execution WHERE {_ACTIVE_NOW} GROUP BY 1
), new AS MATERIALIZED (
  SELECT * FROM unnest(%(workspaces)s::uuid[], %(counts)s::bigint[]) AS new(workspace_id, n)
)
SELECT clock_timestamp() WHERE
  NOT EXISTS (SELECT 1 FROM executions_execution WHERE admitted_at IS NULL AND status = 'queued')
  AND NOT EXISTS (SELECT 1 FROM executions_execution
    WHERE admitted_at IS NULL AND status IN ('waiting', 'paused') AND resume_at <= statement_timestamp())
  AND NOT EXISTS (SELECT 1 FROM executions_workflow WHERE id = ANY(%(workflows)s::uuid[])
    AND (max_concurrent IS NOT NULL OR max_concurrent_per_key IS NOT NULL OR rate_limit IS NOT NULL))
  AND COALESCE((SELECT sum(n) FROM active), 0) + (SELECT sum(n) FROM new) <= %(cap)s::bigint
  AND NOT EXISTS (SELECT 1 FROM new JOIN accounts_workspace s ON s.id = new.workspace_id
    LEFT JOIN active a ON a.workspace_id = s.id
    WHERE COALESCE(a.n, 0) + new.n > COALESCE(s.max_concurrent, %(workspace_cap)s::bigint))
"""  # noqa: S608
"""Whether new executions can be admitted with no other in the queue, to which a limit of its own applies."""

_SPEND = f"""
INSERT INTO executions_ratebucket AS b (workflow_id, began_at, starts, test_starts)
SELECT w.id, date_bin(make_interval(secs => {RATE_PART}), clock_timestamp(), 'epoch'), %(starts)s, %(test_starts)s
FROM executions_workflow w WHERE w.id = %(workflow)s AND w.rate_limit IS NOT NULL
ON CONFLICT (workflow_id, began_at)
DO UPDATE SET starts = b.starts + EXCLUDED.starts, test_starts = b.test_starts + EXCLUDED.test_starts
"""  # noqa: S608
_FORGET = f"""
DELETE FROM executions_ratebucket b USING executions_workflow w WHERE w.id = %(workflow)s AND b.workflow_id = w.id
AND b.began_at < clock_timestamp() - make_interval(secs => w.rate_seconds + 2 * {RATE_PART})
"""  # noqa: S608


def limit_parameters() -> dict[str, Any]:
    """Return the parameters of the statements that apply limits."""
    return {
        "ended": ENDED,
        "cap": settings.PERF_MAX_CONCURRENT_EXECUTIONS,
        "workspace_cap": settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS,
    }


def admit_or_poke() -> None:
    """Admit within the caller's transaction if no other process is admitting; otherwise after the commit."""
    if _try_lock():
        _admit()
    else:
        transaction.on_commit(after_commit.admit)


def admit_new(executions: Sequence[Execution]) -> bool:
    """Admit executions that are about to be written, within the caller's transaction. Returns False, and admits none,
    unless it is certain that a pass would admit them all: no other is queued, and no limit is near."""
    if not all(execution.is_live for execution in executions) or not _try_lock():
        return False
    workspaces = Counter(execution.workspace_id for execution in executions)
    found = prepared.fetch(
        _ROOM,
        {
            "workspaces": list(workspaces),
            "counts": list(workspaces.values()),
            "workflows": list({execution.workflow_id for execution in executions}),
            "cap": settings.PERF_MAX_CONCURRENT_EXECUTIONS,
            "workspace_cap": settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS,
        },
    )
    if not found:
        return False
    for execution in executions:
        (execution.admitted_at,) = found[0]
    jobs = [rq_queues.NextClaim.of(execution) for execution in executions]
    transaction.on_commit(lambda: rq_queues.enqueue_quietly(jobs))
    return True


def _try_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ADMISSION_LOCK])
        return bool(cursor.fetchone()[0])


@transaction.atomic
def admit() -> int:
    """Admit executions as the limits allow. Returns their number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM executions_execution WHERE admitted_at IS NULL AND status = 'queued')"
            " OR EXISTS (SELECT 1 FROM executions_execution WHERE admitted_at IS NULL"
            " AND status IN ('waiting', 'paused') AND resume_at <= statement_timestamp())"
        )
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADMISSION_LOCK])
    return _admit()


def _admit() -> int:
    """Admit under the lock. The jobs are enqueued after the commit."""
    jobs: list[rq_queues.NextClaim] = []
    with connection.cursor() as cursor:
        for _ in range(MOST_PASSES):
            cursor.execute(_PASS, limit_parameters())
            rows = cursor.fetchall()
            jobs += [rq_queues.NextClaim(id_, queue, token) for id_, queue, token, *_ in rows]
            starts = Counter((workflow, live) for *_, live, workflow, fresh, _, limited in rows if fresh and limited)
            for workflow in {workflow for workflow, _ in starts}:
                counts = {"starts": starts[workflow, True], "test_starts": starts[workflow, False]}
                cursor.execute(_SPEND, {"workflow": workflow} | counts)
                cursor.execute(_FORGET, {"workflow": workflow})
            # Executions with the key of one just admitted may have hidden others from the pass.
            if not any(keyed for *_, keyed, _limited in rows):
                break
    if jobs:
        transaction.on_commit(lambda: rq_queues.enqueue_quietly(jobs))
    return len(jobs)


def follow_up_on_commit() -> None:
    """After the commit, process the end of executions and admit the next ones."""
    transaction.on_commit(after_commit.follow_up)
