"""The jobs and the sweep of operations on executions.

A job holds a lease and works in slices. It ends after a while, so that other jobs have their turn; a sweep queues the
next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from executions.bulk.eligible import UNENDED, eligible
from executions.bulk.slices import SIZES, SliceResult, cancel_unended, change
from executions.listing import Criteria
from executions.models import BulkKind, BulkOperation, BulkState
from workflow_platform.core import jobs, leases

logger = logging.getLogger(__name__)

KIND = "execution_operation"
JOB_SECONDS = 20.0
QUEUED_GRACE = timedelta(seconds=5)
"""A queued job that no worker takes within this time is queued again."""
AT_ONCE = 100
MAX_ERROR = 500
MAX_PROBLEMS = 20


class _Lost(Exception):
    """Another process holds the operation, or it was cancelled: the slice is rolled back."""


def enqueue(ids: Collection[UUID]) -> None:
    """Queue a job for each operation."""
    jobs.enqueue(KIND, ids)


def sweep() -> int:
    """Queue a job for each operation that has neither a job nor a worker. Returns how many."""
    unqueued = Q(queued_at__isnull=True) | Q(queued_at__lte=Now() - QUEUED_GRACE)
    waiting = BulkOperation.objects.filter(_free(), unqueued, state=BulkState.RUNNING).order_by("pk")
    ids = list(waiting.values_list("pk", flat=True)[:AT_ONCE])
    if ids:
        BulkOperation.objects.filter(pk__in=ids).update(queued_at=Now())
        enqueue(ids)
    return len(ids)


def work(operation_id: UUID, stop: threading.Event) -> None:
    """Continue an operation until it ends, is cancelled, JOB_SECONDS pass, or `stop` is set."""
    token = _claim(operation_id)
    if token is None:
        return
    leased = BulkOperation.objects.filter(pk=operation_id, lease_token=token, state=BulkState.RUNNING)
    try:
        with leases.kept(f"operation {operation_id}", lambda: _renew(leased)) as lost:
            until = time.monotonic() + JOB_SECONDS
            while _step(leased) and not stop.is_set() and not lost.is_set() and time.monotonic() < until:
                pass
    finally:
        # An empty `queued_at` lets the sweep queue the next job.
        BulkOperation.objects.filter(pk=operation_id, lease_token=token).update(lease_expires_at=None, queued_at=None)


def _free() -> Q:
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())


def _claim(operation_id: UUID) -> int | None:
    free = BulkOperation.objects.filter(_free(), pk=operation_id, state=BulkState.RUNNING)
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    if not free.update(lease_token=F("lease_token") + 1, lease_expires_at=lease):
        return None
    return BulkOperation.objects.values_list("lease_token", flat=True).get(pk=operation_id)


def _renew(leased: QuerySet[BulkOperation]) -> bool:
    return bool(leased.update(lease_expires_at=Now() + timedelta(seconds=settings.LEASE_SECONDS)))


def _step(leased: QuerySet[BulkOperation]) -> bool:
    """Do one slice. Returns whether to continue."""
    operation = leased.select_related("created_by").first()
    if operation is None:
        return False
    fields = {"operation_id": operation.pk, "workspace_id": operation.workspace_id}
    try:
        return _change_next(operation, leased)
    except _Lost:
        return False
    except (DatabaseError, InterfaceError) as error:
        logger.warning("bulk operation interrupted: %s; the scheduler continues it", error, extra=fields)
        connection.close()
    except Exception as error:
        logger.exception("bulk operation failed and stops", extra=fields)
        text = f"{type(error).__name__}: {error}"[:MAX_ERROR]
        leased.update(state=BulkState.FAILED, error=text, ended_at=Now())
    return False


def _change_next(operation: BulkOperation, leased: QuerySet[BulkOperation]) -> bool:
    kind = BulkKind(operation.kind)
    criteria = Criteria.model_validate(operation.criteria)
    rows = eligible(kind, operation.workspace_id, criteria, operation.created_at).order_by("pk")
    if operation.place:
        rows = rows.filter(pk__gt=operation.place)
    ids = list(rows.values_list("pk", flat=True)[: SIZES[kind]])
    if ids:
        change(operation, ids, lambda result: _save(operation, leased, ids, result))
    if len(ids) == SIZES[kind]:
        return True
    if operation.options.get(UNENDED) == "cancel" and cancel_unended(operation):
        # From the beginning once they have ended; what was left out is tried again.
        leased.update(place=None, left_out=0, problems=[])
        return False
    leased.update(state=BulkState.COMPLETED, ended_at=Now())
    return False


def _save(operation: BulkOperation, leased: QuerySet[BulkOperation], ids: Sequence[UUID], result: SliceResult) -> None:
    """Save a slice. Raises _Lost if the lease is gone: within a transaction, that rolls the slice back."""
    problems = [{"id": str(pk), "detail": why} for pk, why in result.problems]
    saved = leased.update(
        place=ids[-1],
        done=F("done") + result.done,
        left_out=F("left_out") + len(result.problems),
        problems=(operation.problems + problems)[:MAX_PROBLEMS],
        lease_expires_at=Now() + timedelta(seconds=settings.LEASE_SECONDS),
    )
    if not saved:
        raise _Lost
