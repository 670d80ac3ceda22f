"""How often the cause of a failure has failed executions of the same workflow."""

from __future__ import annotations

from typing import Any

from executions.domain.failure_causes import FailureCause
from executions.models import Execution

MAX_COUNTED = 1_000
LISTED = 10


def similar_failures(execution: Execution, error: dict[str, Any] | None) -> dict[str, Any]:
    """Return how many executions failed for the cause of `error`, counted up to MAX_COUNTED, with the newest others of
    them. Without an error the cause is None and nothing is counted."""
    cause = FailureCause.of(error)
    if cause is None:
        nothing: dict[str, Any] = {"count": 0, "more": False, "first_at": None, "last_at": None, "executions": []}
        return {"cause": None, "message": None, "workflow": execution.workflow_id} | nothing
    cause_id = cause.id_in(str(execution.workflow_id))
    # Each query is one walk along the index of causes.
    same = Execution.objects.filter(workspace=execution.workspace_id, cause=cause_id).order_by("-id")
    count = same[: MAX_COUNTED + 1].count()
    newest = list(same.values_list("pk", "ended_at")[: LISTED + 1])
    first = same.order_by("id").values_list("ended_at", flat=True).first()
    others = [(pk, ended_at) for pk, ended_at in newest if pk != execution.pk]
    return {
        "cause": cause_id,
        "message": cause.message,
        "workflow": execution.workflow_id,
        "count": min(count, MAX_COUNTED),
        "more": count > MAX_COUNTED,
        "first_at": first,
        "last_at": newest[0][1] if newest else None,
        "executions": [{"id": pk, "ended_at": ended_at} for pk, ended_at in others[:LISTED]],
    }
