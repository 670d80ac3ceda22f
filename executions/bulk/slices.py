"""One slice of an operation: some executions are rerun, cancelled or deleted, and the position is saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from executions import lifecycle, retention
from executions.bulk.eligible import rerun_request
from executions.lifecycle import CannotStart, NewExecution
from executions.listing import Criteria, matching
from executions.models import BulkKind, BulkOperation, Execution
from executions.reruns import CannotRerun, NotEnded
from executions.reruns import plan as plan_rerun

SIZES = {BulkKind.RERUN: 25, BulkKind.CANCEL: 50, BulkKind.DELETE: 100}
"""Executions of one slice."""


@dataclass(slots=True)
class SliceResult:
    """What became of the executions of a slice."""

    done: int = 0
    problems: list[tuple[UUID, str]] = field(default_factory=list)
    """Executions that could not be changed, with the reason."""


Save = Callable[[SliceResult], None]
"""Saves the position of the operation after a slice. Raises an exception if the operation is no longer held."""


def change(operation: BulkOperation, ids: Sequence[UUID], save: Save) -> None:
    """Do a slice and save it. Reruns and deletions are saved in their transaction: each happens once."""
    if operation.kind == BulkKind.RERUN:
        _rerun(operation, ids, save)
    elif operation.kind == BulkKind.CANCEL:
        _cancel(operation, ids, save)
    else:
        with transaction.atomic():
            deleted = retention.delete_ended(ids)
            kept = "It has a child execution that has not ended, or its end is being handled."
            save(SliceResult(len(deleted), [(pk, kept) for pk in ids if pk not in deleted]))


def cancel_unended(operation: BulkOperation) -> bool:
    """Cancel executions of the operation that have not ended. Returns whether there were any."""
    rows = matching([operation.workspace_id], Criteria.model_validate(operation.criteria))
    rows = rows.filter(ended_at__isnull=True).order_by("pk")
    found = rows.exists()
    for execution in rows.filter(cancel_requested_at__isnull=True)[: SIZES[BulkKind.CANCEL]]:
        lifecycle.request_cancel(execution, by=operation.created_by, reason="The workflow was deleted.")
    return found  # one that was queued has ended at once


def _rerun(operation: BulkOperation, ids: Sequence[UUID], save: Save) -> None:
    request, result = rerun_request(operation.options), SliceResult()
    planned: list[tuple[UUID, NewExecution]] = []
    rows = Execution.objects.select_related("workflow__latest_version", "version").filter(pk__in=ids).order_by("pk")
    for execution in rows:
        try:
            planned.append((execution.pk, plan_rerun(execution, request, operation.created_by)))
        except (NotEnded, CannotRerun, CannotStart) as error:
            result.problems.append((execution.pk, str(error)))
    lifecycle.settle_keys([new for _, new in planned])  # runs expressions: not within the transaction
    with transaction.atomic():
        created = lifecycle.create_executions([new for _, new in planned])
        for (pk, _), outcome in zip(planned, created, strict=True):
            if isinstance(outcome, CannotStart):
                result.problems.append((pk, str(outcome)))
            else:
                result.done += 1
        save(result)


def _cancel(operation: BulkOperation, ids: Sequence[UUID], save: Save) -> None:
    """Cancel in one transaction each, so that locks are taken in order. A repeated request changes nothing."""
    for execution in Execution.objects.filter(pk__in=ids).order_by("pk"):
        lifecycle.request_cancel(execution, by=operation.created_by, reason="Cancelled with others.")
    with transaction.atomic():
        save(SliceResult(len(ids)))
