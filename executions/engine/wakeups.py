"""Node runs that wait, holding no thread: for a time, or for something outside of the execution."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import datetime
from enum import Enum, auto

from django.db import connection
from django.utils import timezone

from executions.engine.flow import RunKey
from executions.engine.holding import EXPIRED, edits_of
from executions.engine.node_attempt import ActiveNodeRun
from executions.models import Execution, NodeRun, Wait, WaitKind
from executions.nodes.base import WaitFor
from executions.waits import waits

AttemptKey = tuple[str, int, int]
"""(node id, run index, attempt): an attempt waits for one thing at a time."""


class Pause(Enum):
    """Why a node run waits, or waited before the attempt that runs."""

    EVENT = auto()
    """Its node asked for something outside of the execution, or for a time. It goes on with what came."""
    RETRY = auto()
    """For its next attempt, after an error. It begins anew."""
    HOLD = auto()
    """For a person, after an error. It goes on as the answer says."""


def pause_of(row: NodeRun, wait: Wait | None) -> Pause:
    """Return why a stored node run waits; `wait` is that of its attempt. Only a retry leaves an error without one."""
    if wait is not None and wait.kind == WaitKind.HOLD:
        return Pause.HOLD
    return Pause.EVENT if wait is not None or row.error is None else Pause.RETRY


def take_edits(active: ActiveNodeRun, waits_by_attempt: Mapping[AttemptKey, Wait]) -> None:
    """Give a restored node run what people edited of it, in answers to the holds of its earlier attempts."""
    row = active.row
    holds = [
        wait
        for (node_id, run_index, _), wait in waits_by_attempt.items()
        if wait.kind == WaitKind.HOLD and (node_id, run_index) == (row.node_id, row.run_index)
    ]
    if holds:
        active.edits = edits_of(holds, row.attempt)


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
    pause = pause_of(active.row, wait)
    if pause is Pause.HOLD:
        assert wait is not None
        active.hold, active.answer = wait, wait.outcome or EXPIRED
        return
    active.resumed, active.outcome = pause is Pause.EVENT, wait.outcome if wait else None
    active.started = time.monotonic()
