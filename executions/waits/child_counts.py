"""The counts of a wait for the children of items, kept under the lock of the parent's row.

`Wait.children` is `{total, at_once, started, ended, failed, on_failure, stopped}`; `stopped`: no further child starts.
"""

from __future__ import annotations

import contextlib
from typing import Any
from uuid import UUID

from django.utils import timezone

from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, ItemChild, NodeRun, Wait
from executions.nodes.children import OnFailure, Outcome
from executions.waits import waits

LARGE = ("input", "response", "replaced_input", "error")
"""Columns of a parent that are not read."""
_ACTIVE = {ExecutionStatus.RUNNING.value, ExecutionStatus.WAITING.value}


def new_counts(total: int, at_once: int, on_failure: OnFailure) -> dict[str, Any]:
    """Return the counts before any child starts."""
    counts = {"total": total, "at_once": at_once, "started": 0, "ended": 0, "failed": 0}
    return counts | {"on_failure": on_failure, "stopped": False}


def counts_of(wait: Wait) -> dict[str, Any]:
    """Return the counts of a wait for children of items."""
    assert wait.children is not None
    counts: dict[str, Any] = wait.children
    return counts


def locked_parent(execution_id: UUID) -> Execution:
    """Lock the row of the parent, and read only the columns that are used: its input can be large."""
    rows = Execution.objects.select_for_update(of=("self",)).select_related("created_by").defer(*LARGE)
    return rows.get(pk=execution_id)


def run_of(wait: Wait) -> NodeRun | None:
    """Return the node run that waits, without its data; None if it does not exist."""
    runs = NodeRun.objects.filter(execution=wait.execution_id, node_id=wait.node_id, run_index=wait.run_index)
    return runs.only("id", "execution_id", "node_id", "run_index", "attempt", "ended_at").first()


def room(wait: Wait) -> int:
    """Return how many planned children may start now."""
    counts = counts_of(wait)
    if counts["stopped"] or wait.resolved_at is not None:
        return 0
    running = counts["started"] - counts["ended"]
    return int(min(counts["at_once"] - running, counts["total"] - counts["started"]))


def may_start(parent: Execution, run: NodeRun, wait: Wait) -> bool:
    """Return whether children may start: the parent goes on, and the node run makes the attempt that waits."""
    goes_on = parent.status in _ACTIVE and parent.pause_request is None and parent.cancel_requested_at is None
    return goes_on and run.ended_at is None and run.attempt == wait.attempt


def record_end(row: ItemChild, wait: Wait | None, outcome: Outcome) -> None:
    """Note how a child ended, or that it could not start. Neither row is saved."""
    row.ended_at, row.outcome = timezone.now(), dict(outcome)
    if wait is None:
        return
    counts = counts_of(wait)
    failed = outcome["status"] != ExecutionStatus.COMPLETED.value or bool(outcome["error"])
    counts["ended"] += 1
    counts["failed"] += failed
    counts["stopped"] = counts["stopped"] or (failed and counts["on_failure"] != "continue")


def save_counts(wait: Wait) -> None:
    """Save the counts. If nothing is left to wait for, resolve the wait."""
    wait.save(update_fields=["children"])
    counts = counts_of(wait)
    is_idle = counts["started"] == counts["ended"]
    is_over = is_idle and (counts["stopped"] or counts["started"] == counts["total"])
    if wait.resolved_at is None and (is_over or (counts["stopped"] and counts["on_failure"] == "stop")):
        with contextlib.suppress(waits.NotWaiting):  # the parent has ended
            waits.resolve(wait.pk, {"children": counts["total"]})
