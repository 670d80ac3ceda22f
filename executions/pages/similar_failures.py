"""How often the cause of a failure has failed executions of the same workflow lately."""

from __future__ import annotations

from typing import Any

from django.db.models import Func, JSONField

from executions.domain.failure_causes import LENGTH, FailureCause
from executions.domain.statuses import ExecutionStatus
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
        return {"cause": None, "workflow": execution.workflow_id} | nothing
    newest = Execution.objects.filter(workflow=execution.workflow_id).order_by("-id")[:EXAMINED]
    ids = list(newest.values_list("pk", "status"))
    failed = [pk for pk, status in ids if status == ExecutionStatus.FAILED.value]
    rows = Execution.objects.filter(pk__in=failed).order_by("-id").values_list("pk", "ended_at", _Short("error"))
    same = [(pk, ended_at) for pk, ended_at, known in rows if FailureCause.of(known) == cause]
    others = [(pk, ended_at) for pk, ended_at in same if pk != execution.pk]
    return {
        "cause": cause.message,
        "workflow": execution.workflow_id,
        "count": len(same),
        "examined": len(ids),
        "first_at": same[-1][1] if same else None,
        "last_at": same[0][1] if same else None,
        "executions": [{"id": pk, "ended_at": ended_at} for pk, ended_at in others[:LISTED]],
    }


class _Short(Func):
    """The parts of an error that make its cause, without what is long."""

    template = (
        "json_build_object('node', %(expressions)s->>'node', 'type', %(expressions)s->>'type',"
        f" 'message', left(%(expressions)s->>'message', {4 * LENGTH}))"
    )
    output_field = JSONField()
