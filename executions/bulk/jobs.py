"""The jobs of operations on executions, which work in slices."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import F, QuerySet

from executions.bulk.eligible import UNENDED, eligible
from executions.bulk.slices import SIZES, SliceResult, cancel_unended, change
from executions.listing import Criteria
from executions.models import BulkKind, BulkOperation, BulkState
from workflow_platform.core.leased_operations import LeasedOperations, end, save

KIND = "execution_operation"
MAX_PROBLEMS = 20


def _step(operation: BulkOperation, leased: QuerySet[BulkOperation]) -> bool:
    """Do one slice. Returns whether to continue."""
    kind = BulkKind(operation.kind)
    criteria = Criteria.model_validate(operation.criteria)
    rows = eligible(kind, operation.workspace_id, criteria, operation.created_at).order_by("pk")
    if operation.place:
        rows = rows.filter(pk__gt=operation.place)
    ids = list(rows.values_list("pk", flat=True)[: SIZES[kind]])
    if ids:
        change(operation, ids, lambda result: _save(operation, leased, ids, result))
    if len(ids) == SIZES[kind]:
        return True
    if operation.options.get(UNENDED) == "cancel" and cancel_unended(operation):
        # From the beginning once they have ended; what was left out is tried again.
        leased.update(place=None, left_out=0, problems=[])
        return False
    end(leased, BulkState.COMPLETED)
    return False


def _save(operation: BulkOperation, leased: QuerySet[BulkOperation], ids: Sequence[UUID], result: SliceResult) -> None:
    problems = [{"id": str(pk), "detail": why} for pk, why in result.problems]
    save(
        leased,
        place=ids[-1],
        done=F("done") + result.done,
        left_out=F("left_out") + len(result.problems),
        problems=(operation.problems + problems)[:MAX_PROBLEMS],
    )


_operations = LeasedOperations(KIND, BulkOperation, "created_by", _step)
enqueue, sweep, work, NEXT_DUE = _operations.enqueue, _operations.sweep, _operations.work, _operations.next_due
