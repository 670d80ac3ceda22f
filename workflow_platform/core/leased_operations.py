"""Long operations that jobs do in slices: leases, the sweep that queues jobs, progress, and what both have in common.

A job holds a lease and works in slices. It ends after a while, so that other jobs have their turn; a sweep queues the
next one. A slice and its position are saved under the token of the lease, so that a holder of an older one writes
nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, models
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from workflow_platform.core import jobs, leases

logger = logging.getLogger(__name__)

JOB_SECONDS = 20.0
"""A job ends after this time, so that other jobs have their turn."""
QUEUED_GRACE = timedelta(seconds=5)
"""A queued job that no worker takes within this time is queued again."""
AT_ONCE = 100
MAX_ERROR = 500
RUNNING, FAILED = "running", "failed"
"""States that all operations have."""

M = TypeVar("M", bound=models.Model)


class OperationLost(Exception):
    """Another process holds the operation, or it was cancelled: the slice is rolled back."""


class OperationStopped(Exception):
    """The operation cannot continue; the message says why."""


class LeasedOperations(Generic[M]):
    """The operations of one model. It has the columns state, error, queued_at, lease_token, lease_expires_at and
    ended_at."""

    def __init__(self, kind: str, model: type[M], related: str, step: Callable[[M, QuerySet[M]], bool]) -> None:
        """`kind` names the jobs. `step` does one slice of an operation, read with its `related` row, and saves it with
        `save`; it returns whether there may be more now. Besides what `save` raises it may raise OperationStopped."""
        self.kind, self._model, self._related, self._step = kind, model, related, step

    @property
    def next_due(self) -> str:
        """When `sweep` has something to look at, as SQL."""
        return f"SELECT statement_timestamp() FROM {self._model._meta.db_table} WHERE state = '{RUNNING}' LIMIT 1"  # noqa: S608

    def enqueue(self, ids: Collection[UUID]) -> None:
        """Queue a job for each operation."""
        jobs.enqueue(self.kind, ids)

    def sweep(self) -> int:
        """Queue a job for each operation that has neither a job nor a worker. Returns how many."""
        unqueued = Q(queued_at__isnull=True) | Q(queued_at__lte=Now() - QUEUED_GRACE)
        waiting = self._rows(_free(), unqueued, state=RUNNING).order_by("pk")
        ids = list(waiting.values_list("pk", flat=True)[:AT_ONCE])
        if ids:
            self._rows(pk__in=ids).update(queued_at=Now())
            self.enqueue(ids)
        return len(ids)

    def work(self, operation_id: UUID, stop: threading.Event) -> None:
        """Continue an operation until it ends, is cancelled, JOB_SECONDS pass, or `stop` is set."""
        token = self._claim(operation_id)
        if token is None:
            return
        leased = self._rows(pk=operation_id, lease_token=token, state=RUNNING)
        try:
            with leases.kept(f"operation {operation_id}", lambda: bool(leased.update(**_renewed()))) as lost:
                until = time.monotonic() + JOB_SECONDS
                while self._next(leased) and not stop.is_set() and not lost.is_set() and time.monotonic() < until:
                    pass
        finally:
            # An empty `queued_at` lets the sweep queue the next job.
            self._rows(pk=operation_id, lease_token=token).update(lease_expires_at=None, queued_at=None)

    def _rows(self, *conditions: Q, **fields: Any) -> QuerySet[M]:
        return self._model._default_manager.filter(*conditions, **fields)

    def _claim(self, operation_id: UUID) -> int | None:
        """Take the lease. Returns its token; None if another process holds it, or there is nothing to do."""
        free = self._rows(_free(), pk=operation_id, state=RUNNING)
        if not free.update(lease_token=F("lease_token") + 1, **_renewed()):
            return None
        token: int = self._rows(pk=operation_id).values_list("lease_token", flat=True).get()
        return token

    def _next(self, leased: QuerySet[M]) -> bool:
        """Do one slice. Returns whether to continue."""
        operation = leased.select_related(self._related).first()
        if operation is None:
            return False
        try:
            return self._step(operation, leased)
        except OperationLost:
            return False
        except (DatabaseError, InterfaceError) as error:
            text = "bulk operation interrupted: %s; the scheduler continues it"
            logger.warning(text, error, extra=_fields(operation))
            connection.close()
        except OperationStopped as error:
            end(leased, FAILED, str(error))
        except Exception as error:
            logger.exception("bulk operation failed and stops", extra=_fields(operation))
            end(leased, FAILED, f"{type(error).__name__}: {error}")
        return False


def save(leased: QuerySet[Any], **columns: Any) -> None:
    """Save a slice. Raises OperationLost if the lease is gone: within a transaction, that rolls the slice back."""
    if not leased.update(**columns, **_renewed()):
        raise OperationLost


def end(leased: QuerySet[Any], state: str, error: str = "", **columns: Any) -> None:
    """End the operation with a state."""
    leased.update(state=state, error=error[:MAX_ERROR], ended_at=Now(), **columns)


def _free() -> Q:
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())


def _renewed() -> dict[str, Any]:
    return {"lease_expires_at": Now() + timedelta(seconds=settings.LEASE_SECONDS)}


def _fields(operation: Any) -> dict[str, Any]:
    fields = {"operation_id": operation.pk, "workspace_id": operation.workspace_id}
    endpoint = getattr(operation, "endpoint_id", None)
    return fields | ({"endpoint_id": endpoint} if endpoint else {})
