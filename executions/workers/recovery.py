"""The sweep: finds executions without a worker after a crash, an emptied Redis or a time that has come."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from executions.admission import admission, rq_queues
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution
from executions.waits import child_ends, completion

logger = logging.getLogger(__name__)

ADMITTED_GRACE = timedelta(seconds=2)
"""The job of an execution that was admitted more recently may not be enqueued yet."""
BATCH = 500
_STOPPED = "ended_at IS NULL AND status IN ('queued', 'waiting', 'paused')"
# Each part reads a small partial index, as the statement of the sweep that it stands for.
NEXT_DUE = f"""
SELECT LEAST(
  (SELECT statement_timestamp() FROM executions_execution WHERE follow_up_due LIMIT 1),
  (SELECT statement_timestamp() FROM executions_wait WHERE children IS NOT NULL AND resolved_at IS NULL LIMIT 1),
  (SELECT statement_timestamp() FROM executions_execution WHERE admitted_at IS NULL AND status = 'queued' LIMIT 1),
  (SELECT min(resume_at) FROM executions_execution
   WHERE admitted_at IS NULL AND status IN ('waiting', 'paused') AND resume_at IS NOT NULL),
  (SELECT min(COALESCE(lease_expires_at, statement_timestamp())) FROM executions_execution
   WHERE ended_at IS NULL AND status = 'running'),
  (SELECT min(admitted_at) + interval '{ADMITTED_GRACE.total_seconds()} seconds' FROM executions_execution
   WHERE admitted_at IS NOT NULL AND {_STOPPED}),
  (SELECT statement_timestamp() FROM executions_execution
   WHERE cancel_requested_at IS NOT NULL AND {_STOPPED} AND status <> 'queued' LIMIT 1))
"""  # noqa: S608 - constants of ours
"""When `sweep` has something to do, as SQL: work that is left, a time that comes, a lease that expires."""


def sweep() -> int:
    """Complete ended executions, start planned children, admit what is due, and enqueue a job for each execution that
    should run and has none. Returns the number of missing jobs."""
    completion.follow_up_all()
    child_ends.sweep()
    admission.admit()
    missing = rq_queues.without_job(list(_without_worker()))
    if missing:
        rq_queues.enqueue(missing)
    return len(missing)


def _without_worker() -> Iterable[Execution]:
    """Return executions that should run or end and that no worker holds. Each part has a small partial index that
    excludes waiting executions."""
    now = timezone.now()
    unended = Execution.objects.filter(ended_at__isnull=True).only("id", "priority", "mode", "fencing_token")
    unheld = Q(lease_expires_at__lte=now) | Q(lease_expires_at__isnull=True)
    running = unended.filter(unheld, status=ExecutionStatus.RUNNING)
    idle = [ExecutionStatus.QUEUED, ExecutionStatus.WAITING, ExecutionStatus.PAUSED]
    admitted = unended.filter(status__in=idle, admitted_at__lte=now - ADMITTED_GRACE)
    # Requested while a worker was releasing its lease.
    cancelling = unended.filter(status__in=idle[1:], cancel_requested_at__isnull=False)
    return running.union(admitted, cancelling).order_by("id")[:BATCH]
