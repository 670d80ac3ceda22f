"""Cancel, pause and resume: at once where no worker holds the execution, as a request to its worker elsewhere."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from events import log
from events.log import NewEvent
from executions.admission import admission
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.base import OUTSIDE, event, finish_without_lease, transition
from executions.lifecycle.deliveries import withdrawn
from executions.models import Execution
from workflow_platform.core.accounts.models import User

ASKED = "Requested."


class CannotControl(Exception):
    """The execution is not in a state for that."""


@transaction.atomic
def request_cancel(execution: Execution, *, by: User | None = None, reason: str = ASKED) -> Execution:
    """Cancel at once if no worker holds the execution; otherwise request it. Does nothing if it has ended or was
    requested already."""
    execution = Execution.objects.select_for_update().get(pk=execution.pk)
    log.append(cancel_locked(execution, _who(by, reason)))
    return execution


def cancel_locked(execution: Execution, request: dict[str, Any]) -> list[NewEvent]:
    """Cancel an execution whose row is locked, as `request` `{reason, by}` says, and withdraw the deliveries that it
    has caused. Returns the events to append."""
    status = ExecutionStatus(execution.status)
    if status.ended or execution.cancel_requested_at is not None:
        return []
    execution.cancel_requested_at = timezone.now()
    execution.cancel_request = request = withdrawn(execution.pk, request)
    events = [event(execution, "cancel_requested", request, OUTSIDE)]
    if status is not ExecutionStatus.RUNNING:
        events += finish_without_lease(execution, ExecutionStatus.CANCELLED, request)
    execution.save()
    admission.follow_up_on_commit()
    return events


@transaction.atomic
def request_pause(execution: Execution, *, by: User | None = None, reason: str = ASKED) -> Execution:
    """Start no further node until it is resumed. Raises CannotControl for what has ended or is to end, is paused, or
    has been asked to pause."""
    execution = Execution.objects.select_for_update().get(pk=execution.pk)
    status = ExecutionStatus(execution.status)
    _refuse_ended(execution)
    if execution.pause_request is not None:
        raise CannotControl("A pause is already pending; the execution pauses when its running nodes finish.")
    execution.resume_request = None
    if status is ExecutionStatus.PAUSED:
        if execution.resume_at is None:
            raise CannotControl("The execution is already paused.")
        execution.resume_at = execution.admitted_at = None
    elif status is ExecutionStatus.RUNNING:
        execution.pause_request = _who(by, reason)
    else:
        transition(execution, ExecutionStatus.PAUSED)
        execution.admitted_at = execution.resume_at = None
        log.append([event(execution, "paused", _who(by, reason), OUTSIDE)])
    execution.save()
    return execution


@transaction.atomic
def request_resume(execution: Execution, *, by: User | None = None, reason: str = ASKED) -> Execution:
    """Resume a paused execution as soon as the limits allow; withdraw a pending pause. Raises CannotControl if no pause
    is in effect or pending, or if a resume is already pending."""
    execution = Execution.objects.select_for_update().get(pk=execution.pk)
    _refuse_ended(execution)
    if execution.pause_request is not None:
        execution.pause_request = None  # if its worker is just pausing it, it continues from there
    elif execution.status != ExecutionStatus.PAUSED.value:
        raise CannotControl(f"The execution is not paused; its status is {execution.status}.")
    elif execution.resume_at is not None:
        raise CannotControl("A resume is already pending; the execution continues as soon as the limits allow.")
    else:
        execution.resume_at = timezone.now()
    execution.resume_request = _who(by, reason)
    execution.save()
    admission.admit_or_poke()
    return execution


def _refuse_ended(execution: Execution) -> None:
    if ExecutionStatus(execution.status).ended:
        raise CannotControl(f"The execution has ended; its status is {execution.status.replace('_', ' ')}.")
    if execution.cancel_requested_at is not None:
        raise CannotControl("The execution is being cancelled.")


def _who(by: User | None, reason: str) -> dict[str, Any]:
    return {"reason": reason, "by": by.get_username() if by else None}
