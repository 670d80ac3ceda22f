"""Waits that something outside resolves: a call, a decision, another execution's end. Each exactly once."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from executions import admission
from executions.models import Execution, Wait
from executions.statuses import ExecutionStatus
from workflow_platform.accounts.models import User


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


def resume_signature(execution_id: UUID) -> str:
    """Return the part of an execution's resume URL that nobody can guess."""
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, f"resume:{execution_id}".encode(), hashlib.sha256).hexdigest()[:32]


def resume_url(execution_id: UUID) -> str:
    """Return the URL whose call resolves the execution's wait for a webhook."""
    return f"{settings.PUBLIC_URL}/hooks/resume/{execution_id}/{resume_signature(execution_id)}"
