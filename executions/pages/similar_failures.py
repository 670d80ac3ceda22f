"""How often the cause of a failure has failed executions of the same workflow lately."""

from __future__ import annotations

from typing import Any

from executions.domain.failure_causes import FailureCause
from executions.models import Execution

EXAMINED = 1_000
"""The newest executions of the workflow that are looked at."""
LISTED = 10


def similar_failures(execution: Execution, error: dict[str, Any] | None) -> dict[str, Any]:
    """Return how many of the newest executions failed for the cause of `error`, with the newest others of them. Without
    an error the cause is None and nothing is examined."""
    cause = FailureCause.of(error)
    if cause is None:
        nothing: dict[str, Any] = {"count": 0, "examined": 0, "first_at": None, "last_at": None, "executions": []}
        return {"cause": None, "message": None, "workflow": execution.workflow_id} | nothing
    cause_id = cause.id_in(str(execution.workflow_id))
    newest = Execution.objects.filter(workflow=execution.workflow_id).order_by("-id")[:EXAMINED]
    rows = list(newest.values_list("pk", "ended_at", "cause"))
    same = [(pk, ended_at) for pk, ended_at, known in rows if known == cause_id]
    others = [(pk, ended_at) for pk, ended_at in same if pk != execution.pk]
    return {
        "cause": cause_id,
        "message": cause.message,
        "workflow": execution.workflow_id,
        "count": len(same),
        "examined": len(rows),
        "first_at": same[-1][1] if same else None,
        "last_at": same[0][1] if same else None,
        "executions": [{"id": pk, "ended_at": ended_at} for pk, ended_at in others[:LISTED]],
    }
