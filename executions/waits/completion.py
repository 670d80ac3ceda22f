"""The actions after an execution ends: resume its parent, cancel its children, start its error workflow.

The transaction that ends the execution sets `follow_up_due`. The transaction that performs the actions clears it, so
that they happen exactly once, in whichever process comes first.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from executions import binaries, lifecycle
from executions.domain.binaries import references_in
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.concurrency_keys import ConcurrencyKey
from executions.models import Execution, Trigger, Wait, WaitKind, Workflow
from executions.waits import child_ends, responses, waits
from executions.waits.result_origins import result_origins
from workflow_platform.core.logs import execution_logging

logger = logging.getLogger(__name__)

BATCH = 200
FAILED_STATUSES = {ExecutionStatus.FAILED.value, ExecutionStatus.TIMED_OUT.value}


def follow_up_all() -> int:
    """Complete all executions that are due. Returns the number."""
    due = list(Execution.objects.filter(follow_up_due=True).order_by("id").values_list("pk", flat=True)[:BATCH])
    for execution_id in due:
        try:
            _follow_up(execution_id)
        except Exception:
            logger.exception(
                "completion of an execution not processed; the next sweep tries again",
                extra={"execution_id": execution_id},
            )
    return len(due)


def _follow_up(execution_id: UUID) -> None:
    execution = (
        Execution.objects.select_related("workflow", "version").filter(pk=execution_id, follow_up_due=True).first()
    )
    if execution is None:
        return
    # These may run twice. Each locks rows of other executions, so they run in separate transactions: a parent and a
    # child that end at the same time cannot deadlock.
    _resume_parent(execution)
    _cancel_children(execution)
    waits.withdraw(execution)
    handler = _error_workflow(execution)
    # Computed before the transaction, which locks the execution's row. If it fails, `follow_up_due` stays set.
    key = lifecycle.key_ahead(handler, [_error_item(execution)]) if handler is not None else None
    _finish(execution_id, key)


@transaction.atomic
def _finish(execution_id: UUID, key: ConcurrencyKey | None) -> None:
    """Clear `follow_up_due` and start the error workflow; `key` is its concurrency key."""
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


def _resume_parent(execution: Execution) -> None:
    if execution.parent_run_id is None:
        return
    # The wait was created in the transaction that created the execution, so it exists.
    wait = Wait.objects.filter(child=execution, kind=WaitKind.EXECUTION).first()
    if wait is None:
        child_ends.child_has_ended(execution, _outcome_for)
    elif wait.resolved_at is None:
        outcome = _outcome_for(execution, wait.execution_id)
        with contextlib.suppress(waits.NotWaiting):
            waits.resolve(wait.pk, outcome)


def _outcome_for(execution: Execution, parent_id: UUID) -> dict[str, Any]:
    """Return the outcome for a node run of the parent, which may use the files in it."""
    outcome = outcome_of(execution)
    binaries.share(execution.pk, parent_id, references_in(outcome["items"]))
    return outcome


def outcome_of(execution: Execution) -> dict[str, Any]:
    """Return the outcome for a node run that waited for the execution: `{execution, status, items, origins, error}`.

    `origins` are those of the items in the execution's input, which are the items of the node run; None: unknown.
    """
    parts: list[responses.ResultPart] = []
    error = (execution.error or {}).get("message")
    if execution.status == ExecutionStatus.COMPLETED.value:
        try:
            parts = responses.result_parts(execution)
        except responses.ResultTooLarge as too_large:
            error = str(too_large)
    return {
        "execution": str(execution.pk),
        "status": execution.status,
        "items": [item for part in parts for item in part.items],
        "origins": result_origins(execution, parts) if parts else None,
        "error": error,
    }


def _cancel_children(execution: Execution) -> None:
    """Cancel the child executions that this one waited for."""
    reason = f"The parent execution {execution.pk} ended with status {execution.status}."
    for wait in Wait.objects.filter(execution=execution, kind=WaitKind.EXECUTION, resolved_at__isnull=True):
        if wait.child is not None:
            lifecycle.request_cancel(wait.child, reason=reason)
    child_ends.cancel_children(execution, reason)


def _handles_an_error(execution: Execution | None) -> bool:
    """Return whether the execution or one of its ancestors handles an error. Its own errors start no error workflow,
    which prevents endless loops."""
    while execution is not None:
        if execution.trigger == Trigger.ERROR.value:
            return True
        execution = execution.parent
    return False


def _error_workflow(execution: Execution) -> Workflow | None:
    """Return the error workflow to start for the execution, if any. Tests start none."""
    failed = execution.is_live and execution.status in FAILED_STATUSES
    reference = execution.version.settings.get("error_workflow") if failed else None
    if not reference or _handles_an_error(execution):
        return None
    workflow = (
        Workflow.objects.select_related("latest_version")
        .filter(Q(pk=reference), workspace=execution.workspace_id, deleted_at__isnull=True)
        .first()
    )
    if workflow is None:
        with execution_logging(execution):
            logger.warning("error workflow %s not found; nothing runs for the failed execution", reference)
    return workflow


def _error_item(execution: Execution) -> dict[str, Any]:
    return {
        "execution": {"id": str(execution.pk), "status": execution.status, "error": execution.error},
        "workflow": {"id": str(execution.workflow_id), "name": execution.workflow.name},
    }


def _start_error_workflow(execution: Execution, key: ConcurrencyKey | None) -> None:
    workflow = _error_workflow(execution)
    if workflow is None:
        return
    try:
        lifecycle.create_execution(workflow=workflow, trigger=Trigger.ERROR, input=[_error_item(execution)], key=key)
    except lifecycle.CannotStart as error:
        with execution_logging(execution):
            logger.warning("error workflow not started: %s", error)
