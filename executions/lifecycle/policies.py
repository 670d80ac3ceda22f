"""The concurrency policies of a workflow, applied when executions are created: `skip` and `cancel_running`.

The policy `queue` needs nothing here: admission holds back what is too many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from events.log import NewEvent
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.control import cancel_locked
from executions.models import Execution, Workflow

REPLACED = "A newer execution took its place (concurrency policy cancel_running)."
_ENDED = [status.value for status in ExecutionStatus if status.ended]


def apply(rows: Sequence[Execution]) -> tuple[dict[UUID, str], list[NewEvent]]:
    """Apply the policies to executions about to be saved, in their order.

    Returns why some of them are to end at once, by id, and the events of older ones that were cancelled for them.
    """
    concerned = [row for row in rows if _concurrency(row).get("policy", "queue") != "queue"]
    if not concerned:
        return {}, []
    # One at a time for each such workflow: what is counted stays true until the commit.
    locked = Workflow.objects.select_for_update(no_key=True).filter(pk__in={row.workflow_id for row in concerned})
    list(locked.order_by("pk").values_list("pk"))
    left_out: dict[UUID, str] = {}
    events: list[NewEvent] = []
    lines: dict[tuple[UUID, str], list[Execution]] = {}
    for row in concerned:
        key = row.workflow_id, row.concurrency_key
        if key not in lines:
            lines[key] = _rivals(row)
        rivals, limit = lines[key], int(_concurrency(row)["limit"])
        if _concurrency(row)["policy"] == "skip":
            if len(rivals) >= limit:
                left_out[row.pk] = _skipped(row, limit)
                continue
        else:
            while len(rivals) >= limit:
                oldest = rivals.pop(0)
                if oldest._state.adding:
                    left_out[oldest.pk] = REPLACED
                else:
                    events += cancel_locked(oldest, {"reason": REPLACED, "by": None})
        rivals.append(row)
    return left_out, events


def _concurrency(row: Execution) -> dict[str, Any]:
    return row.version.settings.get("concurrency") or {}


def _rivals(row: Execution) -> list[Execution]:
    """Return the executions, oldest first, that count against the same limit, have not ended and are not about to."""
    found = Execution.objects.filter(workflow=row.workflow_id, cancel_requested_at__isnull=True)
    if _concurrency(row).get("key"):
        found = found.filter(concurrency_key=row.concurrency_key)
    found = found.exclude(status__in=_ENDED).select_related("workflow", "version").order_by("id")
    if _concurrency(row)["policy"] == "skip":  # whether there are enough is all that is asked
        return list(found[: int(_concurrency(row)["limit"])])
    return list(found.select_for_update(of=("self",)))


def _skipped(row: Execution, limit: int) -> str:
    key = f" for the key {row.concurrency_key!r}" if row.concurrency_key else ""
    return f"Skipped: {limit} of this workflow's executions are under way{key} (concurrency policy skip)."
