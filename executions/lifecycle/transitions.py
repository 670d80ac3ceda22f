"""The transitions of a running execution. Each returns a `Change` for the recorder to write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from executions.domain.statuses import ExecutionStatus, NodeRunStatus
from executions.lifecycle.base import (
    Change,
    Lease,
    about,
    end_node_run,
    event,
    failure_fields,
    summary,
    transition,
    transition_node_run,
    without_response,
)
from executions.models import Execution, NodeRun, Wait


def start_node(execution: Execution, lease: Lease, run: NodeRun, input_items: int) -> Change:
    """A node run starts its attempt `run.attempt`."""
    transition_node_run(run, NodeRunStatus.RUNNING)
    run.started_at = run.started_at or timezone.now()
    data = about(run) | {"attempt": run.attempt, "input_items": input_items}
    return Change(lease, [event(execution, "node_started", data)], [run])


def complete_node(execution: Execution, lease: Lease, run: NodeRun, preview: list[Any] | None) -> Change:
    """A node run has completed; the output and measurements are set on `run`."""
    end_node_run(run, NodeRunStatus.COMPLETED)
    data = about(run) | {
        "attempt": run.attempt,
        "duration_ms": run.duration_ms or 0.0,
        "cpu_ms": run.cpu_ms,
        "memory_bytes": run.memory_bytes,
        "output_items": run.output_items,
        "output_bytes": run.output_bytes,
        "outputs": {name: len(items) for name, items in (run.output or {}).items()},
        "failed_items": run.failed_items,
        "from_cache": run.from_cache,
        "preview": preview,
    }
    if run.taken_from is not None:
        data["taken_from"] = str(run.taken_from)
    if run.attributes:
        data["attributes"] = run.attributes
    if run.cost:
        data["cost"] = run.cost
    return Change(lease, [event(execution, "node_completed", data)], [run])


def fail_node(execution: Execution, lease: Lease, run: NodeRun, error: dict[str, Any], on_error: str) -> Change:
    """A node run has failed for good. If `on_error` is continue or route, the output is set on `run`."""
    end_node_run(run, NodeRunStatus.FAILED)
    run.error = error
    data = about(run) | {
        "attempt": run.attempt,
        "duration_ms": run.duration_ms or 0.0,
        "error": without_response(error),
        "failed_items": run.failed_items,
        "on_error": on_error,
    }
    if run.cost:
        data["cost"] = run.cost
    return Change(lease, [event(execution, "node_failed", data)], [run])


def retry_node(execution: Execution, lease: Lease, run: NodeRun, error: dict[str, Any], delay_ms: float) -> Change:
    """An attempt has failed and another follows after `delay_ms`."""
    data = about(run) | {
        "attempt": run.attempt,
        "next_attempt": run.attempt + 1,
        "delay_ms": delay_ms,
        "error": without_response(error),
    }
    run.attempt += 1
    return Change(lease, [event(execution, "node_retrying", data)], [run])


def skip_node(execution: Execution, lease: Lease, run: NodeRun, reason: str) -> Change:
    """A node will not run."""
    end_node_run(run, NodeRunStatus.SKIPPED)
    return Change(lease, [event(execution, "node_skipped", about(run) | {"reason": reason})], [run])


def wait_node(
    execution: Execution, lease: Lease, run: NodeRun, reason: str, until: datetime | None, wait: Wait | None = None
) -> Change:
    """A node run waits until a time or for the event of `wait`, without holding a thread."""
    transition_node_run(run, NodeRunStatus.WAITING)
    run.wake_at = until
    data = about(run) | {"reason": reason, "until": until.isoformat() if until else None}
    data["kind"] = wait.kind if wait else "time" if run.error is None else "retry"
    if wait is not None:
        data |= {
            "wait": str(wait.pk),
            "assignee": wait.assignee.get_username() if wait.assignee else None,
            "child": str(wait.child_id) if wait.child_id else None,
        }
    return Change(lease, [event(execution, "node_waiting", data)], [run], [wait] if wait else [])


def hold_node(execution: Execution, lease: Lease, run: NodeRun, hold: Wait) -> Change:
    """A node run that has failed for good waits for a person; its error is set on `run`."""
    transition_node_run(run, NodeRunStatus.WAITING)
    run.wake_at = hold.expires_at
    details = hold.details or {}
    data = about(run) | {
        "hold": str(hold.pk),
        "attempt": run.attempt,
        "at": hold.place,
        "reason": details.get("reason"),
        "error": details.get("error"),
        "expires_at": hold.expires_at.isoformat() if hold.expires_at else None,
    }
    return Change(lease, [event(execution, "held", data)], [run], [hold])


def release_node(execution: Execution, lease: Lease, hold: Wait) -> Change:
    """A hold has expired: its node run fails."""
    return Change(lease, [event(execution, "released", released(hold, "fail", None))])


def released(hold: Wait, action: str, by: str | None) -> dict[str, Any]:
    """Return the data of `execution.released`."""
    return about_hold(hold) | {"action": action, "by": by}


def about_hold(hold: Wait) -> dict[str, Any]:
    """Return the fields that identify a hold in each of its events."""
    return {"hold": str(hold.pk), "node": hold.node_id, "run_index": hold.run_index, "attempt": hold.attempt}


def cancel_node(lease: Lease, run: NodeRun) -> Change:
    """A node run ends because its execution ends."""
    end_node_run(run, NodeRunStatus.CANCELLED)
    run.error = None
    return Change(lease, [], [run])


def release_waiting(execution: Execution, lease: Lease, until: datetime | None, ran_ms: float) -> Change:
    """Release the lease: nothing runs until `until`, or until a wait is resolved."""
    transition(execution, ExecutionStatus.WAITING)
    data = {"reason": "Every active node is waiting.", "until": until.isoformat() if until else None}
    return Change(
        lease, [event(execution, "waiting", data)], execution_fields=_released(execution, ran_ms) | {"resume_by": until}
    )


def release_paused(execution: Execution, lease: Lease, request: dict[str, Any], ran_ms: float) -> Change:
    """Pause: no node runs, and none starts until the execution is resumed. Releases the lease."""
    transition(execution, ExecutionStatus.PAUSED)
    fields = _released(execution, ran_ms) | {"resume_unless_paused": timezone.now(), "pause_request": None}
    return Change(lease, [event(execution, "paused", request)], execution_fields=fields)


def hand_over(lease: Lease, ran_ms: float) -> Change:
    """Release the lease because the worker stops: another continues from the last checkpoint. No crash is counted."""
    return Change(lease, execution_fields={"lease_expires_at": None, "handed_over": True, "ran_ms": ran_ms})


def _released(execution: Execution, ran_ms: float) -> dict[str, Any]:
    return {"status": execution.status, "lease_expires_at": None, "admitted_at": None, "ran_ms": ran_ms}


def end(
    execution: Execution,
    lease: Lease,
    status: ExecutionStatus,
    runs: Sequence[NodeRun],
    data: dict[str, Any],
    *,
    follow_up: bool,
) -> Change:
    """The execution ends with `status`; `data` is the event's data besides the summary. `follow_up`: the parent, the
    children or an error workflow must be notified."""
    transition(execution, status)
    ended_at = timezone.now()
    fields = {
        "status": execution.status,
        "ended_at": ended_at,
        "lease_expires_at": None,
        "resume_at": None,
        "error": data.get("error"),
        "follow_up_due": follow_up,
    }
    if status in {ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT}:
        fields |= failure_fields(execution, data.get("error"))
    payload = data | {"summary": summary(execution, runs, ended_at)}
    cancels = data if status is ExecutionStatus.CANCELLED else None
    return Change(lease, [event(execution, status.value, payload)], execution_fields=fields, cancels=cancels)
