"""The sweep: what a crash, an emptied Redis or a passed time has left for somebody to pick up is queued again."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from executions import queueing
from executions.models import Execution
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)

QUEUED_GRACE = timedelta(seconds=2)
"""A queued execution younger than this may have its job still on the way."""
BATCH = 500


def sweep() -> int:
    """Queue every execution that should be running and has no job. Returns how many."""
    now = timezone.now()
    left_behind = Execution.objects.filter(
        Q(status=ExecutionStatus.RUNNING, lease_expires_at__lte=now)
        | Q(status=ExecutionStatus.WAITING, resume_at__lte=now)
        # Asked for while a worker was just giving its lease back.
        | Q(status=ExecutionStatus.WAITING, cancel_requested_at__isnull=False)
    ).order_by("id")
    # Apart, so that a long queue cannot hide what was left behind.
    queued = Execution.objects.filter(status=ExecutionStatus.QUEUED, queued_at__lte=now - QUEUED_GRACE).order_by("id")
    orphans = queueing.without_job([*left_behind[:BATCH], *queued[:BATCH]])
    for execution in orphans:
        queueing.enqueue(execution)
    return len(orphans)
