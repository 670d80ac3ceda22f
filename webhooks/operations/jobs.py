"""The jobs and the sweep of operations.

A job holds a lease and works in slices. Each transaction saves its slice and the position together, under the token of
the lease, so that a crash neither repeats nor skips anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Greatest, Now

from events.history import history, scanning
from events.history.cursors import Cursor
from webhooks import outbox
from webhooks.models import Operation, OperationKind, OperationState, Origin, Rank
from webhooks.operations import selection
from webhooks.operations.selection import DeliverySelection
from webhooks.outbox import fanout
from webhooks.outbox.writing import DeliveryOptions
from workflow_platform.core import jobs, leases

logger = logging.getLogger(__name__)

KIND = "webhook_operation"
SLICE = 500
"""Deliveries of one transaction."""
JOB_SECONDS = 20.0
"""A job ends after this time, so that other jobs have their turn."""
QUEUED_GRACE = timedelta(seconds=5)
"""A queued job that no worker takes within this time is queued again."""
AT_ONCE = 100
MAX_ERROR = 500


class _Lost(Exception):
    """Another process holds the operation, or it was cancelled: the slice is rolled back."""


class _Failed(Exception):
    """The operation cannot continue; the message says why."""


def enqueue(ids: Collection[UUID]) -> None:
    """Queue a job for each operation."""
    jobs.enqueue(KIND, ids)


def sweep() -> int:
    """Queue a job for each operation that has neither a job nor a worker. Returns how many."""
    unqueued = Q(queued_at__isnull=True) | Q(queued_at__lte=Now() - QUEUED_GRACE)
    unqueued_operations = Operation.objects.filter(_free(), unqueued, state=OperationState.RUNNING).order_by("pk")
    ids = list(unqueued_operations.values_list("pk", flat=True)[:AT_ONCE])
    if ids:
        Operation.objects.filter(pk__in=ids).update(queued_at=Now())
        enqueue(ids)
    return len(ids)


def work(operation_id: UUID, stop: threading.Event) -> None:
    """Continue an operation until it ends, is cancelled, JOB_SECONDS pass, or `stop` is set."""
    token = _claim(operation_id)
    if token is None:
        return
    leased = Operation.objects.filter(pk=operation_id, lease_token=token, state=OperationState.RUNNING)
    try:
        with leases.kept(f"operation {operation_id}", lambda: _renew(leased)) as lost:
            until = time.monotonic() + JOB_SECONDS
            while _step(leased) and not stop.is_set() and not lost.is_set() and time.monotonic() < until:
                pass
    finally:
        # An empty `queued_at` lets the sweep queue the next job.
        Operation.objects.filter(pk=operation_id, lease_token=token).update(lease_expires_at=None, queued_at=None)


def _free() -> Q:
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())


def _claim(operation_id: UUID) -> int | None:
    """Take the lease. Returns its token; None if another process holds it, or there is nothing to do."""
    free = Operation.objects.filter(_free(), pk=operation_id, state=OperationState.RUNNING)
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    if not free.update(lease_token=F("lease_token") + 1, lease_expires_at=lease):
        return None
    return Operation.objects.values_list("lease_token", flat=True).get(pk=operation_id)


def _renew(leased: QuerySet[Operation]) -> bool:
    return bool(leased.update(lease_expires_at=Now() + timedelta(seconds=settings.LEASE_SECONDS)))


def _step(leased: QuerySet[Operation]) -> bool:
    """Do one slice. Returns whether to continue."""
    operation = leased.select_related("endpoint").first()
    if operation is None:
        return False
    try:
        with transaction.atomic():
            return _replay(operation, leased) if operation.kind == OperationKind.REPLAY else _change(operation, leased)
    except _Lost:
        return False
    except (DatabaseError, InterfaceError) as error:
        logger.warning("bulk operation interrupted: %s; the scheduler continues it", error, extra=_fields(operation))
        connection.close()
    except _Failed as error:
        _end(leased, OperationState.FAILED, str(error))
    except Exception as error:
        logger.exception("bulk operation failed and stops", extra=_fields(operation))
        _end(leased, OperationState.FAILED, f"{type(error).__name__}: {error}")
    return False


def _fields(operation: Operation) -> dict[str, Any]:
    return {
        "operation_id": operation.pk,
        "endpoint_id": operation.endpoint_id,
        "workspace_id": operation.workspace_id,
    }


def _change(operation: Operation, leased: QuerySet[Operation]) -> bool:
    """Recover, redeliver or cancel the next deliveries. Returns whether there may be more."""
    kind, chosen = OperationKind(operation.kind), DeliverySelection.model_validate(operation.chosen)
    scope = [operation.workspace_id]
    deliveries = selection.deliveries(kind, scope, operation.endpoint, chosen, operation.created_at)
    if operation.place:
        deliveries = deliveries.filter(pk__gt=operation.place)
    # A delivery that changes before it is locked is checked again, and skipped if it no longer matches.
    ids = list(deliveries.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)[:SLICE])
    if not ids:
        return _completed(leased)
    if kind == OperationKind.CANCEL:
        result = outbox.cancel(ids, "Cancelled by an operation.", operation.pk)
        done = len(result.cancelled) + len(result.requested)
    else:
        done = len(outbox.redeliver(ids, operation.pk))
    _save(leased, str(ids[-1]), done)
    return len(ids) == SLICE or _completed(leased)


def _replay(operation: Operation, leased: QuerySet[Operation]) -> bool:
    """Create deliveries of the next events. Returns whether there may be more now."""
    endpoint = operation.endpoint
    if endpoint is None or endpoint.deleted_at is not None:
        raise _Failed("The endpoint was deleted.")
    event_filter = selection.events(endpoint, DeliverySelection.model_validate(operation.chosen), operation.created_at)
    mark, _, position = operation.place.partition(":")
    # Read before the events: then all transactions that ran when the replay started have ended and are included.
    settled = scanning.safe_before() >= int(mark)
    page = history.read(event_filter, Cursor.parse(position) if position else None, SLICE)
    fanout.make_for(endpoint, page.events, DeliveryOptions(Origin.REPLAY, Rank.LOW, operation.pk))
    _save(leased, f"{mark}:{page.cursor}", len(page.events))
    if page.more:
        return True
    return _completed(leased) if settled else False


def _save(leased: QuerySet[Operation], place: str, done: int) -> None:
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    if not leased.update(place=place, done=F("done") + done, lease_expires_at=lease):
        raise _Lost


def _completed(leased: QuerySet[Operation]) -> bool:
    _end(leased, OperationState.COMPLETED)
    return False


def _end(leased: QuerySet[Operation], state: OperationState, error: str = "") -> None:
    left = Greatest(F("total") - F("done"), 0) if state == OperationState.COMPLETED else Value(0)
    leased.update(state=state, error=error[:MAX_ERROR], left_out=left, ended_at=Now())
