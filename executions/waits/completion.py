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

from executions import lifecycle
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.keys import Key
from executions.models import Execution, Trigger, Wait, WaitKind, Workflow
from executions.waits import responses, waits

logger = logging.getLogger(__name__)

BATCH = 200
UNHAPPY = {ExecutionStatus.FAILED.value, ExecutionStatus.TIMED_OUT.value}


def follow_up_all() -> int:
    """Follow up every end that is due. Returns how many."""
    due = list(Execution.objects.filter(follow_up_due=True).order_by("id").values_list("pk", flat=True)[:BATCH])
    for execution_id in due:
        try:
            _follow_up(execution_id)
        except Exception:
            logger.exception("the end of execution %s is not followed up", execution_id)
    return len(due)


def _follow_up(execution_id: UUID) -> None:
    execution = (
        Execution.objects.select_related("workflow", "version").filter(pk=execution_id, follow_up_due=True).first()
    )
    if execution is None:
        return
    # These may well be done twice, and each locks others' rows: in transactions of their own, so that a parent and a
    # child which end at the same instant do not wait for each other.
    _tell_parent(execution)
    _cancel_children(execution)
    waits.withdraw(execution)
    handler = _error_workflow(execution)
    # Before the transaction, which holds the execution's row. Where it cannot be found now, the mark stays.
    key = lifecycle.key_ahead(handler, [_error_item(execution)]) if handler is not None else None
    _conclude(execution_id, key)


@transaction.atomic
def _conclude(execution_id: UUID, key: Key | None) -> None:
    """Take the mark away, and start the error workflow; `key` is its concurrency key."""
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
        transaction.on_commit(lambda: responses.notify(execution_id))
    _start_error_workflow(execution, key)


def _tell_parent(execution: Execution) -> None:
    if execution.parent_run_id is None:
        return
    # The wait came with the execution, in one transaction: it cannot come later than this end.
    wait = Wait.objects.filter(child=execution, kind=WaitKind.EXECUTION, resolved_at__isnull=True).first()
    if wait is not None:
        with contextlib.suppress(waits.NotWaiting):
            waits.resolve(wait.pk, outcome_of(execution))


def outcome_of(execution: Execution) -> dict[str, Any]:
    """Return what a node run that waited for the execution goes on with: `{execution, status, items, error}`."""
    return {
        "execution": str(execution.pk),
        "status": execution.status,
        "items": responses.result_items(execution) if execution.status == ExecutionStatus.COMPLETED.value else [],
        "error": (execution.error or {}).get("message"),
    }


def _cancel_children(execution: Execution) -> None:
    """Cancel the executions that this one waited for."""
    for wait in Wait.objects.filter(execution=execution, kind=WaitKind.EXECUTION, resolved_at__isnull=True):
        if wait.child is not None:
            lifecycle.request_cancel(wait.child, reason=f"Its parent {execution.pk} ended as {execution.status}.")


def _handles_an_error(execution: Execution | None) -> bool:
    """Tell whether it, or what it was started by, handles an error: the errors of that are not handled again, or it
    might never end."""
    while execution is not None:
        if execution.trigger == Trigger.ERROR.value:
            return True
        execution = execution.parent
    return False


def _error_workflow(execution: Execution) -> Workflow | None:
    """Return the workflow that handles the execution's end, if there is one."""
    wanted = execution.version.settings.get("error_workflow") if execution.status in UNHAPPY else None
    if not wanted or _handles_an_error(execution):
        return None
    workflow = (
        Workflow.objects.select_related("latest_version")
        .filter(Q(pk=wanted), workspace=execution.workspace_id, deleted_at__isnull=True)
        .first()
    )
    if workflow is None:
        logger.warning("execution %s: its error workflow %s is gone", execution.pk, wanted)
    return workflow


def _error_item(execution: Execution) -> dict[str, Any]:
    return {
        "execution": {"id": str(execution.pk), "status": execution.status, "error": execution.error},
        "workflow": {"id": str(execution.workflow_id), "name": execution.workflow.name},
    }


def _start_error_workflow(execution: Execution, key: Key | None) -> None:
    workflow = _error_workflow(execution)
    if workflow is None:
        return
    try:
        lifecycle.create_execution(workflow=workflow, trigger=Trigger.ERROR, input=[_error_item(execution)], key=key)
    except lifecycle.CannotStart as error:
        logger.warning("execution %s: its error workflow did not start: %s", execution.pk, error)
