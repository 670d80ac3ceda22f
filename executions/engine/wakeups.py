"""Node runs that wait, holding no thread: for a time, or for something outside of the execution."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime

from django.db import connection
from django.utils import timezone

from executions.engine.flow import RunKey
from executions.engine.node_attempt import ActiveNodeRun
from executions.models import Execution, NodeRun, Wait
from executions.nodes.base import WaitFor
from executions.waits import waits

AttemptKey = tuple[str, int, int]
"""(node id, run index, attempt): an attempt has at most one wait."""


def new_wait(wait_for: WaitFor, row: NodeRun) -> Wait | None:
    """Return the row that is resolved from outside; None if the node run waits only for a time."""
    if wait_for.kind is None:
        return None
    return Wait(
        execution=row.execution,
        node_id=row.node_id,
        run_index=row.run_index,
        attempt=row.attempt,
        kind=wait_for.kind,
        message=wait_for.message,
        assignee=wait_for.assignee,
        child=wait_for.child,
        expires_at=wait_for.until,
    )


def attempt_key(row: NodeRun) -> AttemptKey:
    """Return what identifies the attempt of a node run within its execution."""
    return row.node_id, row.run_index, row.attempt


def is_due(row: NodeRun, now: datetime) -> bool:
    """Return whether the time that the node run waits for has come."""
    return row.wake_at is not None and row.wake_at <= now


def settle(execution: Execution, expired: Collection[AttemptKey]) -> dict[AttemptKey, Wait]:
    """Return the waits of the execution; those of `expired` that are not resolved expire now."""
    try:
        return waits.settle(execution, expired)
    finally:
        connection.close()


def take_woken(execution: Execution, waiting: dict[RunKey, ActiveNodeRun], *, resolved: bool) -> list[ActiveNodeRun]:
    """Remove and return the node runs whose time has come or whose wait has been resolved, to be started again.

    The waits are read if a time has come, or with `resolved`.
    """
    now = timezone.now()
    due = {key for key, active in waiting.items() if is_due(active.row, now)}
    expired = {attempt_key(waiting[key].row) for key in due if waiting[key].has_wait}
    waits_by_attempt = settle(execution, expired) if expired or resolved else {}
    woken = []
    for key, active in list(waiting.items()):
        wait = waits_by_attempt.get(attempt_key(active.row))
        if (wait is not None and wait.resolved_at is not None) or (key in due and not active.has_wait):
            del waiting[key]
            continue_after_wait(active, wait)
            woken.append(active)
    return woken


def continue_after_wait(active: ActiveNodeRun, wait: Wait | None) -> None:
    """Prepare a node run to be started again after a wait, with the wait's outcome if there is one."""
    # After a wait for its next attempt, the row still has the error of the last.
    active.resumed, active.outcome = active.row.error is None, wait.outcome if wait else None
    active.started = time.monotonic()
