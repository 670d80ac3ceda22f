"""The sweep: what a crash, an emptied Redis or a passed time has left for somebody to pick up is picked up."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from executions import admission, follow_up, queueing
from executions.models import Execution
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)

ADMITTED_GRACE = timedelta(seconds=2)
"""An execution admitted more lately than this may have its job still on the way."""
BATCH = 500


def sweep() -> int:
    """Follow up ends, admit what is due, and queue a job for every execution that should run and has none. Returns
    how many jobs were missing."""
    follow_up.follow_up_all()
    admission.admit()
    now = timezone.now()
    left_behind = Execution.objects.filter(
        Q(status=ExecutionStatus.RUNNING, lease_expires_at__lte=now)
        | Q(status=ExecutionStatus.RUNNING, lease_expires_at__isnull=True)
        # Asked for while a worker was just giving its lease back.
        | Q(status__in=[ExecutionStatus.WAITING, ExecutionStatus.PAUSED], cancel_requested_at__isnull=False)
        | Q(
            status__in=[ExecutionStatus.QUEUED, ExecutionStatus.WAITING, ExecutionStatus.PAUSED],
            admitted_at__lte=now - ADMITTED_GRACE,
        )
    )
    missing = queueing.without_job(list(left_behind.only("id", "priority", "fencing_token").order_by("id")[:BATCH]))
    if missing:
        queueing.enqueue(missing)
    return len(missing)
