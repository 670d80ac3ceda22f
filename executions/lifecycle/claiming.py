"""Claims: a worker takes the leases of unheld executions, many in one transaction.

A new execution can be claimed together with what its first turn does, in one commit (`read_new`, `begin`; decision 67).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from events.log import NewEvent
from executions.admission import admission
from executions.domain.statuses import ExecutionStatus, NodeRunStatus
from executions.lifecycle import stored_outputs
from executions.lifecycle.base import Change, Lease, event, failure_fields, finish_without_lease, transition
from executions.lifecycle.deliveries import withdrawn
from executions.models import Execution, NodeRun, Trigger, Workflow
from workflow_platform.core.postgresql import prepared
from workflow_platform.core.postgresql.prepared_rows import RowsOf

NEW_SECONDS = 4.0
"""An execution that was admitted longer ago is claimed before it runs: the worker that took its first job may have died
of it. Less than `rq_queues.TAKEN_GRACE`, after which the sweep enqueues it again."""

_EXECUTIONS, _WORKFLOWS = RowsOf(Execution, "e"), RowsOf(Workflow, "w", without=["description"])
_READ_NEW = f"""
SELECT {_EXECUTIONS.columns}, {_WORKFLOWS.columns}
FROM executions_execution e JOIN executions_workflow w ON w.id = e.workflow_id
WHERE e.id = ANY(%s::uuid[]) AND e.status = '{ExecutionStatus.QUEUED.value}' AND e.started_at IS NULL
  AND e.cancel_requested_at IS NULL AND e.admitted_at > statement_timestamp() - interval '{NEW_SECONDS} seconds'
  AND e.trigger <> '{Trigger.RERUN.value}'  -- has node runs already
"""  # noqa: S608 - names of our own columns


@dataclass(slots=True)
class ClaimedExecution:
    """An execution, the lease to run it, and its node runs so far (none for a new execution)."""

    execution: Execution
    lease: Lease
    runs: list[NodeRun]
    begins: bool = False
    """The lease is not taken yet: its first change is to do so (`begin`)."""


def read_new(execution_ids: Sequence[UUID], worker: str) -> list[ClaimedExecution]:
    """Return the executions that no worker has claimed yet, with the leases that `begin` takes. Writes nothing."""
    if not execution_ids:
        return []
    now = timezone.now()
    claimed = []
    for row in prepared.fetch(_READ_NEW, [list(execution_ids)]):
        execution = _EXECUTIONS.instance(row[: len(_EXECUTIONS)])
        execution.workflow = _WORKFLOWS.instance(row[len(_EXECUTIONS) :])
        _take(execution, ExecutionStatus.QUEUED, worker, now)
        execution.started_at = now
        lease = Lease(execution.pk, execution.fencing_token, worker)
        claimed.append(ClaimedExecution(execution, lease, [], begins=True))
    return claimed


def begin(execution: Execution, lease: Lease) -> Change:
    """A worker takes the lease of an execution from `read_new`. The change fails if another worker was faster, or if
    the execution was cancelled or paused."""
    data = {"worker": lease.worker, "fencing_token": lease.fencing_token, "nodes_total": execution.nodes_total}
    fields = {
        "status": ExecutionStatus.RUNNING.value,
        "worker": lease.worker,
        "fencing_token": lease.fencing_token,
        "started_at": execution.started_at,
        "lease_expires_at": timezone.now() + timedelta(seconds=settings.LEASE_SECONDS),
    }
    return Change(lease, [event(execution, "started", data)], execution_fields=fields, begins=True)


def take_leases(execution_ids: Sequence[UUID], worker: str) -> tuple[list[ClaimedExecution], list[NewEvent]]:
    """Take the leases of those executions that no worker holds and that can continue. Returns them, with the events
    that the caller must append in the same transaction. Append them last: that locks streams.

    Executions that have ended, wait for a later time or are held are skipped. Those with a pending cancellation end
    here. An execution whose lease was lost is recovered; after MAX_RECOVERIES recoveries it fails, since it may be the
    cause of the crashes.
    """
    rows = (
        Execution.objects.select_for_update(of=("self",))
        .select_related("workflow")
        .defer("workflow__description")
        .filter(pk__in=execution_ids)
        .order_by("pk")
    )
    now = timezone.now()
    events: list[NewEvent] = []
    claimed: list[tuple[Execution, ExecutionStatus]] = []
    for execution in rows:
        before = ExecutionStatus(execution.status)
        if not _claimable(execution, before, now):
            continue
        if (ending := _ended_instead(execution, before)) is not None:
            events += ending
            execution.save()
            admission.follow_up_on_commit()
            continue
        claimed.append((execution, before))
    runs = _runs([execution for execution, before in claimed if _has_runs(execution)])
    for execution, before in claimed:
        _take(execution, before, worker, now)
        events += _claimed(execution, before, runs.get(execution.pk, []))
    if claimed:
        _write([execution for execution, _ in claimed], worker, now)
    return [ClaimedExecution(e, Lease(e.pk, e.fencing_token, worker), runs.get(e.pk, [])) for e, _ in claimed], events


def _claimable(execution: Execution, status: ExecutionStatus, now: datetime) -> bool:
    cancelled = execution.cancel_requested_at is not None
    if status is ExecutionStatus.QUEUED:
        # The job may be older than a pause that removed the execution from the queue: the limits apply to it as well.
        return execution.admitted_at is not None or cancelled
    if status is ExecutionStatus.RUNNING:
        return execution.lease_expires_at is None or execution.lease_expires_at <= now
    if status in {ExecutionStatus.WAITING, ExecutionStatus.PAUSED}:
        due = execution.resume_at is not None and execution.resume_at <= now
        return (due and execution.admitted_at is not None) or cancelled
    return False


def _ended_instead(execution: Execution, before: ExecutionStatus) -> list[NewEvent] | None:
    """End the execution if a cancellation is pending or too many of its workers died. Returns the events, or None."""
    if execution.cancel_requested_at is not None:
        execution.cancel_request = withdrawn(execution.pk, execution.cancel_request or {})
        return finish_without_lease(execution, ExecutionStatus.CANCELLED, execution.cancel_request)
    lost = before is ExecutionStatus.RUNNING and not execution.handed_over
    if lost and execution.recoveries >= settings.MAX_RECOVERIES:
        message = f"The worker died {execution.recoveries + 1} times while it ran this execution. It is not retried."
        execution.error = {"type": "TooManyRecoveries", "message": message}
        for name, value in failure_fields(execution, execution.error).items():
            setattr(execution, name, value)
        return finish_without_lease(execution, ExecutionStatus.FAILED, {"error": execution.error})
    return None


def _has_runs(execution: Execution) -> bool:
    # `rerun_of` does not tell: the old execution may have been deleted, and the reused node runs remain.
    return execution.started_at is not None or execution.trigger == Trigger.RERUN.value


def _runs(executions: Sequence[Execution]) -> dict[UUID, list[NodeRun]]:
    """Return the node runs of the executions, in the order in which they were recorded."""
    by_execution: dict[UUID, list[NodeRun]] = {}
    if executions:
        for run in stored_outputs.node_runs([execution.pk for execution in executions]):
            by_execution.setdefault(run.execution_id, []).append(run)
    return by_execution


def _take(execution: Execution, before: ExecutionStatus, worker: str, now: datetime) -> None:
    execution.worker = worker
    execution.fencing_token += 1
    execution.recoveries += before is ExecutionStatus.RUNNING and not execution.handed_over
    transition(execution, ExecutionStatus.RUNNING)


def _claimed(execution: Execution, before: ExecutionStatus, runs: list[NodeRun]) -> list[NewEvent]:
    """Return the events that report why the execution runs."""
    held = {"worker": execution.worker, "fencing_token": execution.fencing_token}
    events = []
    if before is ExecutionStatus.PAUSED:
        request = execution.resume_request or {"reason": "Requested.", "by": None}
        events.append(event(execution, "resumed", request))
    elif before is ExecutionStatus.WAITING:
        events.append(event(execution, "resumed", {"reason": "Resumed: the wait is over."}))
    if execution.started_at is None:
        events.append(event(execution, "started", held | {"nodes_total": execution.nodes_total}))
    elif before is ExecutionStatus.RUNNING:
        data = held | {
            "reason": "handed_over" if execution.handed_over else "lease_lost",
            "recoveries": execution.recoveries,
            "completed_nodes": sum(run.status == NodeRunStatus.COMPLETED for run in runs),
            "restarted_nodes": [run.node_id for run in runs if run.status == NodeRunStatus.RUNNING],
        }
        events.append(event(execution, "recovered", data))
    return events


def _write(executions: Sequence[Execution], worker: str, now: datetime) -> None:
    """Write what `_take` has set for all executions at once, and update the objects."""
    until = now + timedelta(seconds=settings.LEASE_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE executions_execution e SET status = %s, worker = %s, fencing_token = taken.token,"
            " recoveries = taken.recoveries, lease_expires_at = %s, started_at = COALESCE(started_at, %s),"
            " admitted_at = COALESCE(admitted_at, %s), resume_at = NULL, resume_request = NULL, handed_over = false"
            " FROM unnest(%s::uuid[], %s::int[], %s::int[]) AS taken(id, token, recoveries) WHERE e.id = taken.id",
            [
                ExecutionStatus.RUNNING.value,
                worker,
                until,
                now,
                now,
                [e.pk for e in executions],
                [e.fencing_token for e in executions],
                [e.recoveries for e in executions],
            ],
        )
    for execution in executions:
        execution.started_at = execution.started_at or now
        execution.lease_expires_at = until
        execution.resume_at = None
