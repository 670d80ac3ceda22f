"""The sweep: what a crash, an emptied Redis or a passed time has left for somebody to pick up is picked up."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from executions.admission import admission, rq_queues
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution
from executions.waits import completion

logger = logging.getLogger(__name__)

ADMITTED_GRACE = timedelta(seconds=2)
"""An execution admitted more lately than this may have its job still on the way."""
BATCH = 500


def sweep() -> int:
    """Follow up ends, admit what is due, and queue a job for every execution that should run and has none. Returns
    how many jobs were missing."""
    completion.follow_up_all()
    admission.admit()
    missing = rq_queues.without_job(list(_left_behind()))
    if missing:
        rq_queues.enqueue(missing)
    return len(missing)


def _left_behind() -> Iterable[Execution]:
    """Return what should run, or end, and is held by nobody. Each part has an index that holds little besides: however
    many executions wait, they are not looked at."""
    now = timezone.now()
    unended = Execution.objects.filter(ended_at__isnull=True).only("id", "priority", "fencing_token")
    unheld = Q(lease_expires_at__lte=now) | Q(lease_expires_at__isnull=True)
    running = unended.filter(unheld, status=ExecutionStatus.RUNNING)
    idle = [ExecutionStatus.QUEUED, ExecutionStatus.WAITING, ExecutionStatus.PAUSED]
    admitted = unended.filter(status__in=idle, admitted_at__lte=now - ADMITTED_GRACE)
    # Asked for while a worker was just giving its lease back.
    cancelling = unended.filter(status__in=idle[1:], cancel_requested_at__isnull=False)
    return running.union(admitted, cancelling).order_by("id")[:BATCH]
