"""Every status change of an execution or node run, with its event. Nothing else assigns a status.

Changes made outside a worker (create, cancel) and the claim commit here, in a transaction of their own. Changes made by
a running execution are returned as a `Change`, which the recorder commits together with those of other executions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from events import log
from events.log import NewEvent
from executions.models import Execution, NodeRun, Priority, Trigger, Workflow
from executions.statuses import ExecutionStatus, NodeRunStatus, check_execution_move, check_node_run_move
from workflow_platform.accounts.models import User
from workflow_platform.identifiers import uuid7

SOURCE = "executions.engine"


class CannotStart(Exception):
    """The workflow cannot be executed as asked."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A time-bounded claim on an execution; a write with a stale fencing token fails."""

    execution_id: UUID
    fencing_token: int
    worker: str


@dataclass(slots=True)
class Change:
    """What one step of a running execution writes: rows and events, committed together."""

    lease: Lease
    events: list[NewEvent] = field(default_factory=list)
    node_runs: list[NodeRun] = field(default_factory=list)
    execution_fields: dict[str, Any] = field(default_factory=dict)

    def __iadd__(self, other: Change) -> Change:
        self.events += other.events
        self.node_runs += other.node_runs
        self.execution_fields |= other.execution_fields
        return self


def event(execution: Execution, type_: str, data: dict[str, Any], source: str = SOURCE) -> NewEvent:
    """Return an event of `execution` that happens now, not yet appended."""
    return NewEvent(
        stream_id=execution.stream_id,
        type=f"execution.{type_}",
        data=data,
        source=source,
        execution_id=execution.pk,
        workflow_id=execution.workflow_id,
        time=timezone.now(),
    )


# --- outside a worker ------------------------------------------------------------------------------------------------


@transaction.atomic
def create_execution(
    *,
    workflow: Workflow,
    trigger: Trigger,
    input: list[dict[str, Any]],
    priority: str = Priority.DEFAULT,
    by: User | None = None,
    trigger_node: str | None = None,
) -> Execution:
    """Create an execution of the workflow's latest version, `queued`, and queue its job on commit.

    `trigger_node` is the node that the input enters at; by default the trigger node that fits `trigger`. Raises
    CannotStart if there is none.
    """
    from executions import queueing

    version = workflow.latest_version
    if version is None or workflow.deleted_at is not None:
        raise CannotStart("The workflow has been deleted.")
    node_id = trigger_node or _trigger_node(version.nodes, trigger)
    execution_id = uuid7()
    execution = Execution(
        id=execution_id,
        workspace_id=workflow.workspace_id,
        workflow=workflow,
        version=version,
        stream=log.open_stream(f"execution:{execution_id}", workflow.workspace_id),
        status=ExecutionStatus.QUEUED.value,
        trigger=trigger,
        trigger_node=node_id,
        priority=priority,
        input=input,
        created_by=by,
    )
    execution.save(force_insert=True)
    queued = {
        "trigger": str(trigger),
        "trigger_node": node_id,
        "priority": str(priority),
        "workflow_name": workflow.name,
        "workflow_version": version.number,
        "input_items": len(input),
        "by": by.get_username() if by else None,
    }
    log.append([event(execution, "queued", queued, "executions.lifecycle")])
    queueing.enqueue_on_commit(execution)
    return execution


def _trigger_node(nodes: list[dict[str, Any]], trigger: Trigger) -> str:
    """Return the id of the node that an execution started by `trigger` begins at."""
    from executions.nodes.registry import node_types

    types = node_types()
    triggers = [n for n in nodes if not n.get("disabled") and (t := types.get(n["type"])) is not None and t.trigger]
    preferred = "webhook_trigger" if trigger == Trigger.WEBHOOK else "manual_trigger"
    triggers.sort(key=lambda node: node["type"] != preferred)
    if not triggers:
        raise CannotStart("The workflow has no enabled trigger node.")
    return str(triggers[0]["id"])


@transaction.atomic
def request_cancel(execution: Execution, *, by: User | None = None, reason: str = "Asked for.") -> Execution:
    """Cancel at once what no worker holds; ask the worker otherwise. Does nothing to what has ended or been asked."""
    execution = Execution.objects.select_for_update().get(pk=execution.pk)
    status = ExecutionStatus(execution.status)
    if status.ended or execution.cancel_requested_at is not None:
        return execution
    name = by.get_username() if by else None
    execution.cancel_requested_at = timezone.now()
    execution.cancel_request = {"reason": reason, "by": name}
    events = [event(execution, "cancel_requested", execution.cancel_request, "executions.lifecycle")]
    if status is not ExecutionStatus.RUNNING:
        events += _end_unheld(execution, ExecutionStatus.CANCELLED, execution.cancel_request)
    execution.save()
    log.append(events)
    return execution


def cancel_request(execution: Execution) -> dict[str, Any]:
    """Return who asked for the cancellation and why, as it stands in the database: `{reason, by}`."""
    found = Execution.objects.values_list("cancel_request", flat=True).get(pk=execution.pk)
    return found or {"reason": "Asked for.", "by": None}


def _end_unheld(execution: Execution, status: ExecutionStatus, data: dict[str, Any]) -> list[NewEvent]:
    """End an execution whose row the caller has locked and no worker holds; the caller saves it."""
    runs = list(NodeRun.objects.filter(execution=execution))
    for run in runs:
        if not NodeRunStatus(run.status).ended:
            _move_node_run(run, NodeRunStatus.CANCELLED)
            run.ended_at = timezone.now()
            run.save(update_fields=["status", "ended_at"])
    _move(execution, status)
    execution.ended_at = timezone.now()
    execution.resume_at = None
    return [event(execution, status.value, data | {"summary": summary(execution, runs, execution.ended_at)})]


@transaction.atomic
def claim(execution_id: UUID, worker: str) -> tuple[Execution, Lease] | None:
    """Take the lease of an execution that nobody holds.

    Returns None where there is nothing to do: it has ended, waits for a later time, or is held. One that is to be
    cancelled ends here. An execution whose lease was lost is recovered; after MAX_RECOVERIES of them it fails, since it
    may be what kills its workers.
    """
    execution = (
        Execution.objects.select_for_update(of=("self",))
        .select_related("version", "workflow")
        .filter(pk=execution_id)
        .first()
    )
    if execution is None:
        return None
    now, status = timezone.now(), ExecutionStatus(execution.status)
    due = execution.resume_at is not None and execution.resume_at <= now
    lost = status is ExecutionStatus.RUNNING and (
        execution.lease_expires_at is None or execution.lease_expires_at <= now
    )
    asked = execution.cancel_requested_at is not None
    waited = status is ExecutionStatus.WAITING and (due or asked)
    if not (status is ExecutionStatus.QUEUED or lost or waited):
        return None
    if asked:
        log.append(_end_unheld(execution, ExecutionStatus.CANCELLED, execution.cancel_request or {}))
        execution.save()
        return None
    if lost and execution.recoveries >= settings.MAX_RECOVERIES:
        error = {
            "type": "TooManyRecoveries",
            "message": f"Its worker was lost {execution.recoveries + 1} times; it is not tried again.",
        }
        execution.error = error
        log.append(_end_unheld(execution, ExecutionStatus.FAILED, {"error": error}))
        execution.save()
        return None
    execution.worker = worker
    execution.fencing_token += 1
    execution.lease_expires_at = now + timedelta(seconds=settings.LEASE_SECONDS)
    execution.resume_at = None
    execution.started_at = execution.started_at or now
    execution.recoveries += lost
    _move(execution, ExecutionStatus.RUNNING)
    log.append([_claimed(execution, status)])
    execution.save()
    return execution, Lease(execution.pk, execution.fencing_token, worker)


def _claimed(execution: Execution, before: ExecutionStatus) -> NewEvent:
    """Return the event that says how the execution came to run."""
    held = {"worker": execution.worker, "fencing_token": execution.fencing_token}
    if before is ExecutionStatus.QUEUED:
        execution.nodes_total = len(execution.version.nodes)
        return event(execution, "started", held | {"nodes_total": execution.nodes_total})
    if before is ExecutionStatus.WAITING:
        return event(execution, "resumed", {"reason": "The time it waited for has come."})
    runs = NodeRun.objects.filter(execution=execution).values_list("node_id", "status")
    restarted = [node for node, status in runs if status == NodeRunStatus.RUNNING]
    return event(
        execution,
        "recovered",
        held
        | {
            "recoveries": execution.recoveries,
            "completed_nodes": sum(status == NodeRunStatus.COMPLETED for _, status in runs),
            "restarted_nodes": restarted,
        },
    )


# --- inside a worker: changes for the recorder -----------------------------------------------------------------------


def _move(execution: Execution, status: ExecutionStatus) -> None:
    check_execution_move(ExecutionStatus(execution.status), status)
    execution.status = status.value


def _move_node_run(run: NodeRun, status: NodeRunStatus) -> None:
    check_node_run_move(NodeRunStatus(run.status), status)
    run.status = status.value


def _about(run: NodeRun) -> dict[str, Any]:
    return {"node": run.node_id, "name": run.name, "node_type": run.node_type, "run_index": run.run_index}


def start_node(execution: Execution, lease: Lease, run: NodeRun, input_items: int) -> Change:
    """A node run begins its attempt `run.attempt`."""
    _move_node_run(run, NodeRunStatus.RUNNING)
    run.started_at = run.started_at or timezone.now()
    data = _about(run) | {"attempt": run.attempt, "input_items": input_items}
    return Change(lease, [event(execution, "node_started", data)], [run])


def complete_node(execution: Execution, lease: Lease, run: NodeRun, preview: list[Any] | None) -> Change:
    """A node run has ended well; its output and figures are set on `run` already."""
    _move_node_run(run, NodeRunStatus.COMPLETED)
    run.ended_at = timezone.now()
    data = _about(run) | {
        "attempt": run.attempt,
        "duration_ms": run.duration_ms,
        "cpu_ms": run.cpu_ms,
        "memory_bytes": run.memory_bytes,
        "output_items": run.output_items,
        "output_bytes": run.output_bytes,
        "outputs": {name: len(items) for name, items in (run.output or {}).items()},
        "from_cache": run.from_cache,
        "preview": preview,
    }
    return Change(lease, [event(execution, "node_completed", data)], [run])


def fail_node(execution: Execution, lease: Lease, run: NodeRun, error: dict[str, Any], on_error: str) -> Change:
    """A node run has failed for good; with `on_error` continue or route its output is set on `run` already."""
    _move_node_run(run, NodeRunStatus.FAILED)
    run.ended_at = timezone.now()
    run.error = error
    data = _about(run) | {
        "attempt": run.attempt,
        "duration_ms": run.duration_ms or 0.0,
        "error": error,
        "on_error": on_error,
    }
    return Change(lease, [event(execution, "node_failed", data)], [run])


def retry_node(execution: Execution, lease: Lease, run: NodeRun, error: dict[str, Any], delay_ms: float) -> Change:
    """An attempt has failed and another follows after `delay_ms`."""
    data = _about(run) | {
        "attempt": run.attempt,
        "next_attempt": run.attempt + 1,
        "delay_ms": delay_ms,
        "error": error,
    }
    run.attempt += 1
    return Change(lease, [event(execution, "node_retrying", data)], [run])


def skip_node(execution: Execution, lease: Lease, run: NodeRun, reason: str) -> Change:
    """A node will not run."""
    _move_node_run(run, NodeRunStatus.SKIPPED)
    run.ended_at = timezone.now()
    return Change(lease, [event(execution, "node_skipped", _about(run) | {"reason": reason})], [run])


def wait_node(execution: Execution, lease: Lease, run: NodeRun, until: datetime) -> Change:
    """A node run waits until a time, holding no thread."""
    _move_node_run(run, NodeRunStatus.WAITING)
    run.wake_at = until
    data = _about(run) | {"reason": "Waits until a time.", "until": until.isoformat()}
    return Change(lease, [event(execution, "node_waiting", data)], [run])


def cancel_node(lease: Lease, run: NodeRun) -> Change:
    """A node run ends because its execution does."""
    _move_node_run(run, NodeRunStatus.CANCELLED)
    run.ended_at = timezone.now()
    return Change(lease, [], [run])


def release_waiting(execution: Execution, lease: Lease, until: datetime) -> Change:
    """Nothing runs until `until`: give the lease back."""
    _move(execution, ExecutionStatus.WAITING)
    data = {"reason": "Every active node waits.", "until": until.isoformat()}
    fields = {"status": execution.status, "resume_at": until, "lease_expires_at": None}
    return Change(lease, [event(execution, "waiting", data)], [], fields)


def end(
    execution: Execution,
    lease: Lease,
    status: ExecutionStatus,
    runs: Sequence[NodeRun],
    data: dict[str, Any],
) -> Change:
    """The execution ends with `status`; `data` is what the event says besides the summary."""
    _move(execution, status)
    ended_at = timezone.now()
    fields = {
        "status": execution.status,
        "ended_at": ended_at,
        "lease_expires_at": None,
        "error": data.get("error"),
    }
    payload = data | {"summary": summary(execution, runs, ended_at)}
    return Change(lease, [event(execution, status.value, payload)], [], fields)


def summary(execution: Execution, runs: Sequence[NodeRun], ended_at: datetime) -> dict[str, Any]:
    """Return the summary that terminal events carry."""
    timed = [run for run in runs if run.duration_ms is not None]
    slowest = max(timed, key=lambda run: run.duration_ms or 0, default=None)
    fastest = min(timed, key=lambda run: run.duration_ms or 0, default=None)
    began = execution.started_at or execution.queued_at
    return {
        "duration_ms": round((ended_at - began).total_seconds() * 1000, 3),
        "nodes_executed": sum(run.status in {NodeRunStatus.COMPLETED, NodeRunStatus.FAILED} for run in runs),
        "nodes_failed": sum(run.status == NodeRunStatus.FAILED for run in runs),
        "nodes_skipped": sum(run.status == NodeRunStatus.SKIPPED for run in runs),
        "slowest": {"node": slowest.node_id, "duration_ms": slowest.duration_ms} if slowest else None,
        "fastest": {"node": fastest.node_id, "duration_ms": fastest.duration_ms} if fastest else None,
    }
