"""Waits for external events: a call, a decision, the end of another execution. Each is resolved exactly once."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from executions.admission import admission
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, Wait, WaitKind
from workflow_platform.core.accounts.models import User
from workflow_platform.core.requests.hooks_host import hooks_url


class NotWaiting(Exception):
    """The execution is not waiting for this: it was already resolved, has expired, or the execution has ended."""


@transaction.atomic
def resolve(wait_id: UUID, outcome: dict[str, Any], *, by: User | None = None) -> Wait:
    """Resume the node run with `outcome`, exactly once. Raises NotWaiting if the wait is already resolved."""
    execution_id = Wait.objects.filter(pk=wait_id).values_list("execution_id", flat=True).first()
    if execution_id is None:
        raise NotWaiting(NotWaiting.__doc__)
    # Lock the execution before the wait, as everywhere: concurrent calls are serialized here.
    execution = Execution.objects.select_for_update().get(pk=execution_id)
    wait = Wait.objects.select_for_update().get(pk=wait_id)
    now = timezone.now()
    expired = wait.expires_at is not None and wait.expires_at <= now
    if wait.resolved_at is not None or expired or ExecutionStatus(execution.status).ended:
        raise NotWaiting(NotWaiting.__doc__)
    wait.resolved_at, wait.resolved_by, wait.outcome = now, by, outcome
    wait.save(update_fields=["resolved_at", "resolved_by", "outcome"])
    if execution.status in {ExecutionStatus.RUNNING.value, ExecutionStatus.WAITING.value}:
        # The worker that runs it reads this with its next heartbeat.
        execution.resume_at = now
        execution.save(update_fields=["resume_at"])
        admission.admit_or_poke()
    return wait


@transaction.atomic
def settle(execution: Execution, due: Collection[tuple[str, int, int]] = ()) -> dict[tuple[str, int, int], Wait]:
    """Return the execution's waits by node, run index and attempt: the hold of an attempt that has one, which no longer
    waits for anything else. Unresolved waits of the attempts in `due` expire now.

    Expiry and resolution are both written under the row's lock, so only one of them happens.
    """
    expired = [Q(node_id=node_id, run_index=run_index, attempt=attempt) for node_id, run_index, attempt in due]
    if expired:
        unresolved = Wait.objects.filter(reduce(or_, expired), execution=execution, resolved_at__isnull=True)
        unresolved.update(resolved_at=timezone.now())
    rows = sorted(Wait.objects.filter(execution=execution), key=lambda wait: wait.kind == WaitKind.HOLD)
    return {(wait.node_id, wait.run_index, wait.attempt): wait for wait in rows}


def withdraw(execution: Execution) -> None:
    """Close the open waits of an ended execution."""
    Wait.objects.filter(execution=execution, resolved_at__isnull=True).update(resolved_at=timezone.now())


def resume_signature(execution_id: UUID) -> str:
    """Return the secret part of an execution's resume URL."""
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, f"resume:{execution_id}".encode(), hashlib.sha256).hexdigest()[:32]


def resume_url(execution_id: UUID) -> str:
    """Return the URL that resolves the execution's wait for a call."""
    return f"{hooks_url()}/hooks/resume/{execution_id}/{resume_signature(execution_id)}"
