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
    found = Execution.objects.filter(
        Q(status=ExecutionStatus.QUEUED, queued_at__lte=now - QUEUED_GRACE)
        | Q(status=ExecutionStatus.RUNNING, lease_expires_at__lte=now)
        | Q(status=ExecutionStatus.WAITING, resume_at__lte=now)
    ).order_by("id")
    count = 0
    for execution in found[:BATCH]:
        if not queueing.is_queued(execution):
            queueing.enqueue(execution)
            count += 1
    return count
