"""Waits that something outside resolves: a call, a decision, another execution's end. Each exactly once."""

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
from executions.models import Execution, Wait
from workflow_platform.core.accounts.models import User
from workflow_platform.core.requests.hooks_host import hooks_url


class NotWaiting(Exception):
    """It waits no more, or not yet: it was resolved, it expired, or its execution has ended."""


@transaction.atomic
def resolve(wait_id: UUID, outcome: dict[str, Any], *, by: User | None = None) -> Wait:
    """Have the node run go on with `outcome`, exactly once. Raises NotWaiting for whoever comes second."""
    found = Wait.objects.filter(pk=wait_id).values_list("execution_id", flat=True).first()
    if found is None:
        raise NotWaiting(NotWaiting.__doc__)
    # The execution before the wait, as everywhere: two who resolve at the same instant stand in line here.
    execution = Execution.objects.select_for_update().get(pk=found)
    wait = Wait.objects.select_for_update().get(pk=wait_id)
    now = timezone.now()
    expired = wait.expires_at is not None and wait.expires_at <= now
    if wait.resolved_at is not None or expired or ExecutionStatus(execution.status).ended:
        raise NotWaiting(NotWaiting.__doc__)
    wait.resolved_at, wait.resolved_by, wait.outcome = now, by, outcome
    wait.save(update_fields=["resolved_at", "resolved_by", "outcome"])
    if execution.status in {ExecutionStatus.RUNNING.value, ExecutionStatus.WAITING.value}:
        # A worker that holds it sees this with its next heartbeat.
        execution.resume_at = now
        execution.save(update_fields=["resume_at"])
        admission.admit_or_poke()
    return wait


@transaction.atomic
def settle(execution: Execution, due: Collection[tuple[str, int, int]] = ()) -> dict[tuple[str, int, int], Wait]:
    """Return the execution's waits by node, run index and attempt; those of `due` that are not resolved run out now.

    That a wait has run out is written under its row's lock, as a resolution is: only one of them happens.
    """
    late = [Q(node_id=node_id, run_index=run_index, attempt=attempt) for node_id, run_index, attempt in due]
    if late:
        unresolved = Wait.objects.filter(reduce(or_, late), execution=execution, resolved_at__isnull=True)
        unresolved.update(resolved_at=timezone.now())
    found = Wait.objects.filter(execution=execution)
    return {(wait.node_id, wait.run_index, wait.attempt): wait for wait in found}


def withdraw(execution: Execution) -> None:
    """Close what the execution, which has ended, waited for."""
    Wait.objects.filter(execution=execution, resolved_at__isnull=True).update(resolved_at=timezone.now())


def resume_signature(execution_id: UUID) -> str:
    """Return the part of an execution's resume URL that nobody can guess."""
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, f"resume:{execution_id}".encode(), hashlib.sha256).hexdigest()[:32]


def resume_url(execution_id: UUID) -> str:
    """Return the URL whose call resolves the execution's wait for a webhook."""
    return f"{hooks_url()}/hooks/resume/{execution_id}/{resume_signature(execution_id)}"
