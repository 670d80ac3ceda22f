"""What follows the end of an execution: its parent goes on, its children are cancelled, its error workflow starts.

The end marks the execution (`follow_up_due`) in its own transaction; each follow-up takes the mark away together with
what it does, so that it happens exactly once, whoever gets to it first.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from executions import answers, lifecycle, waits
from executions.models import Execution, Trigger, Wait, WaitKind, Workflow
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)

BATCH = 200
UNHAPPY = {ExecutionStatus.FAILED.value, ExecutionStatus.TIMED_OUT.value}


def follow_up_all() -> int:
    """Follow up every end that is due. Returns how many."""
    _tell_late_waiters()
    due = list(Execution.objects.filter(follow_up_due=True).order_by("id").values_list("pk", flat=True)[:BATCH])
    for execution_id in due:
        try:
            _follow_up(execution_id)
        except Exception:
            logger.exception("the end of execution %s is not followed up", execution_id)
    return len(due)


@transaction.atomic
def _follow_up(execution_id: UUID) -> None:
    execution = (
        Execution.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("workflow", "version")
        .filter(pk=execution_id, follow_up_due=True)
        .first()
    )
    if execution is None:
        return
    execution.follow_up_due = False
    execution.save(update_fields=["follow_up_due"])
    if execution.awaited:
        transaction.on_commit(lambda: answers.tell(execution_id))
    _tell_parent(execution)
    if execution.status != ExecutionStatus.COMPLETED.value:
        _cancel_children(execution)
    if execution.status in UNHAPPY:
        _start_error_workflow(execution)


def _tell_late_waiters() -> None:
    """Resolve the waits that were written only after the execution that they wait for had ended."""
    ended = [status.value for status in ExecutionStatus if status.ended]
    late = Wait.objects.filter(kind=WaitKind.EXECUTION, resolved_at__isnull=True, child__status__in=ended)
    for wait in late.select_related("child")[:BATCH]:
        _resolve(wait)


def _resolve(wait: Wait) -> None:
    assert wait.child is not None
    with contextlib.suppress(waits.NotWaiting):
        waits.resolve(wait.pk, outcome_of(wait.child))


def _tell_parent(execution: Execution) -> None:
    wait = (
        Wait.objects.filter(child=execution, kind=WaitKind.EXECUTION, resolved_at__isnull=True)
        .select_related("child")
        .first()
    )
    if wait is not None:
        _resolve(wait)


def outcome_of(execution: Execution) -> dict[str, Any]:
    """Return what a node run that waited for the execution goes on with: `{execution, status, items, error}`."""
    return {
        "execution": str(execution.pk),
        "status": execution.status,
        "items": answers.result_items(execution) if execution.status == ExecutionStatus.COMPLETED.value else [],
        "error": (execution.error or {}).get("message"),
    }


def _cancel_children(execution: Execution) -> None:
    """Cancel the executions that this one waited for."""
    for wait in Wait.objects.filter(execution=execution, kind=WaitKind.EXECUTION, resolved_at__isnull=True):
        if wait.child is not None:
            lifecycle.request_cancel(wait.child, reason=f"Its parent {execution.pk} ended as {execution.status}.")


def _start_error_workflow(execution: Execution) -> None:
    wanted = execution.version.settings.get("error_workflow")
    # One that handles errors does not handle its own: that would never end.
    if not wanted or execution.trigger == Trigger.ERROR.value:
        return
    workflow = (
        Workflow.objects.select_related("latest_version")
        .filter(Q(pk=wanted), workspace=execution.workspace_id, deleted_at__isnull=True)
        .first()
    )
    if workflow is None:
        logger.warning("execution %s: its error workflow %s is gone", execution.pk, wanted)
        return
    item = {
        "execution": {"id": str(execution.pk), "status": execution.status, "error": execution.error},
        "workflow": {"id": str(execution.workflow_id), "name": execution.workflow.name},
    }
    try:
        lifecycle.create_execution(workflow=workflow, trigger=Trigger.ERROR, input=[item])
    except lifecycle.CannotStart as error:
        logger.warning("execution %s: its error workflow did not start: %s", execution.pk, error)
