"""The jobs and the sweep of operations.

A job holds a lease and does slice after slice. The place is saved in the transaction of each slice, under the lease's
token, so that a crash repeats nothing and skips nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Greatest, Now

from events.history import history, scanning
from events.history.cursors import Cursor
from webhooks import outbox
from webhooks.models import Operation, OperationKind, OperationState, Origin, Rank
from webhooks.operations import choosing
from webhooks.operations.choosing import Chosen
from webhooks.outbox import fanout
from webhooks.outbox.writing import Manner
from workflow_platform.core import jobs, leases

logger = logging.getLogger(__name__)

KIND = "webhook_operation"
SLICE = 500
"""Deliveries of one transaction."""
JOB_SECONDS = 20.0
"""A job goes on for so long, then makes room for others."""
QUEUED_GRACE = timedelta(seconds=5)
"""So long a job may take to be taken; then another one is queued."""
AT_ONCE = 100
MAX_ERROR = 500


class _Lost(Exception):
    """Somebody else has the operation, or it was cancelled: what this slice did is undone."""


class _Failed(Exception):
    """It cannot go on; the message is for people."""


def enqueue(ids: Collection[UUID]) -> None:
    """Queue a job for each operation."""
    jobs.enqueue(KIND, ids)


def sweep() -> int:
    """Queue a job for each operation that has neither a job nor a worker. Returns how many."""
    unqueued = Q(queued_at__isnull=True) | Q(queued_at__lte=Now() - QUEUED_GRACE)
    found = Operation.objects.filter(_free(), unqueued, state=OperationState.RUNNING).order_by("pk")
    ids = list(found.values_list("pk", flat=True)[:AT_ONCE])
    if ids:
        Operation.objects.filter(pk__in=ids).update(queued_at=Now())
        enqueue(ids)
    return len(ids)


def work(operation_id: UUID, stop: threading.Event) -> None:
    """Go on with an operation for a while, until it has ended, is cancelled, or `stop` is set."""
    token = _claim(operation_id)
    if token is None:
        return
    mine = Operation.objects.filter(pk=operation_id, lease_token=token, state=OperationState.RUNNING)
    try:
        with leases.kept(f"operation {operation_id}", lambda: _renew(mine)) as lost:
            until = time.monotonic() + JOB_SECONDS
            while _step(mine) and not stop.is_set() and not lost.is_set() and time.monotonic() < until:
                pass
    finally:
        # With `queued_at` empty the sweep has it gone on with.
        Operation.objects.filter(pk=operation_id, lease_token=token).update(lease_expires_at=None, queued_at=None)


def _free() -> Q:
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())


def _claim(operation_id: UUID) -> int | None:
    """Take the lease. Returns its token; None if somebody else holds it, or there is nothing to do."""
    found = Operation.objects.filter(_free(), pk=operation_id, state=OperationState.RUNNING)
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    if not found.update(lease_token=F("lease_token") + 1, lease_expires_at=lease):
        return None
    return Operation.objects.values_list("lease_token", flat=True).get(pk=operation_id)


def _renew(mine: QuerySet[Operation]) -> bool:
    return bool(mine.update(lease_expires_at=Now() + timedelta(seconds=settings.LEASE_SECONDS)))


def _step(mine: QuerySet[Operation]) -> bool:
    """Do one slice. Returns whether to go on."""
    operation = mine.select_related("endpoint").first()
    if operation is None:
        return False
    try:
        with transaction.atomic():
            return _replay(operation, mine) if operation.kind == OperationKind.REPLAY else _change(operation, mine)
    except _Lost:
        return False
    except (DatabaseError, InterfaceError) as error:
        logger.warning("operation %s: trying again: %s", operation.pk, error)
        connection.close()
    except _Failed as error:
        _end(mine, OperationState.FAILED, str(error))
    except Exception as error:
        logger.exception("operation %s: failed", operation.pk)
        _end(mine, OperationState.FAILED, f"{type(error).__name__}: {error}")
    return False


def _change(operation: Operation, mine: QuerySet[Operation]) -> bool:
    """Recover, redeliver or cancel the next deliveries. Returns whether there may be more."""
    kind, chosen = OperationKind(operation.kind), Chosen.model_validate(operation.chosen)
    scope = [operation.workspace_id]
    found = choosing.deliveries(kind, scope, operation.endpoint, chosen, operation.created_at)
    if operation.place:
        found = found.filter(pk__gt=operation.place)
    # What changes until it is locked is looked at again, and left out if it no longer fits.
    ids = list(found.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)[:SLICE])
    if not ids:
        return _completed(mine)
    if kind == OperationKind.CANCEL:
        taken = outbox.cancel(ids, "Cancelled with others.", operation.pk)
        done = len(taken.cancelled) + len(taken.requested)
    else:
        done = len(outbox.redeliver(ids, operation.pk))
    _save(mine, str(ids[-1]), done)
    return len(ids) == SLICE or _completed(mine)


def _replay(operation: Operation, mine: QuerySet[Operation]) -> bool:
    """Make deliveries of the next events. Returns whether there may be more now."""
    endpoint = operation.endpoint
    if endpoint is None or endpoint.deleted_at is not None:
        raise _Failed("The endpoint was deleted.")
    wanted = choosing.events(endpoint, Chosen.model_validate(operation.chosen), operation.created_at)
    mark, _, place = operation.place.partition(":")
    # Asked before reading: whatever was at work when the replay began has ended, and is in what is read.
    settled = scanning.safe_before() >= int(mark)
    page = history.read(wanted, Cursor.parse(place) if place else None, SLICE)
    fanout.make_for(endpoint, page.events, Manner(Origin.REPLAY, Rank.LOW, operation.pk))
    _save(mine, f"{mark}:{page.cursor}", len(page.events))
    if page.more:
        return True
    return _completed(mine) if settled else False


def _save(mine: QuerySet[Operation], place: str, done: int) -> None:
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    if not mine.update(place=place, done=F("done") + done, lease_expires_at=lease):
        raise _Lost


def _completed(mine: QuerySet[Operation]) -> bool:
    _end(mine, OperationState.COMPLETED)
    return False


def _end(mine: QuerySet[Operation], state: OperationState, error: str = "") -> None:
    left = Greatest(F("total") - F("done"), 0) if state == OperationState.COMPLETED else Value(0)
    mine.update(state=state, error=error[:MAX_ERROR], left_out=left, ended_at=Now())
