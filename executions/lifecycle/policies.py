"""The concurrency policies `skip` and `cancel_running` of a workflow, applied when executions are created.

The policy `queue` is applied by admission.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from events.log import NewEvent
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.control import cancel_locked
from executions.models import Execution, Mode, Workflow

REPLACED = "A newer execution replaced it (concurrency policy cancel_running)."
_ENDED = [status.value for status in ExecutionStatus if status.ended]


def apply(rows: Sequence[Execution]) -> tuple[dict[UUID, str], list[NewEvent]]:
    """Apply the policies to unsaved executions, in their order.

    Returns the reasons of those that must end at once, by id, and the events of older executions that were cancelled.
    """
    limited = [row for row in rows if _concurrency(row).get("policy", "queue") != "queue"]
    if not limited:
        return {}, []
    # One transaction at a time for each of these workflows: the counts stay correct until the commit.
    locked = Workflow.objects.select_for_update(no_key=True).filter(pk__in={row.workflow_id for row in limited})
    list(locked.order_by("pk").values_list("pk"))
    left_out: dict[UUID, str] = {}
    events: list[NewEvent] = []
    rivals_by_key: dict[tuple[UUID, str, bool], list[Execution]] = {}
    for row in limited:
        key = row.workflow_id, row.concurrency_key, row.is_live
        if key not in rivals_by_key:
            rivals_by_key[key] = _rivals(row)
        rivals, limit = rivals_by_key[key], int(_concurrency(row)["limit"])
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
    """Return the active executions that count against the same limit, oldest first.

    Live ones and tests are counted separately: neither skips or cancels the other.
    """
    rows = Execution.objects.filter(workflow=row.workflow_id, cancel_requested_at__isnull=True)
    rows = rows.live() if row.is_live else rows.exclude(mode=Mode.LIVE)
    if _concurrency(row).get("key"):
        rows = rows.filter(concurrency_key=row.concurrency_key)
    rows = rows.exclude(status__in=_ENDED).select_related("workflow", "version").order_by("id")
    if _concurrency(row)["policy"] == "skip":  # the limit suffices to decide
        return list(rows[: int(_concurrency(row)["limit"])])
    return list(rows.select_for_update(of=("self",)))


def _skipped(row: Execution, limit: int) -> str:
    key = f" with the key {row.concurrency_key!r}" if row.concurrency_key else ""
    return f"Skipped by the concurrency policy: {limit} executions of this workflow are running{key}."
