"""Shared by all status changes: leases, changes, transitions, events, and the summary of an ended execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from events.log import NewEvent
from executions.domain.failure_causes import FailureCause
from executions.domain.static_data import StaticChange
from executions.domain.statuses import (
    ExecutionStatus,
    NodeRunStatus,
    check_execution_transition,
    check_node_run_transition,
)
from executions.models import Execution, ItemChild, ItemOutcome, NodeRun, Wait

SOURCE = "executions.engine"
OUTSIDE = "executions.lifecycle"
"""The source of events that no worker caused."""
UNREAD = ("output", "inputs", "lineage", "exchange", "parameters", "attempts")
"""Columns of node runs that can be large and that no status change reads."""
NOT_HELD = "The execution has ended, or another worker holds its lease."


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
    waits: list[Wait] = field(default_factory=list)
    item_outcomes: list[ItemOutcome] = field(default_factory=list)
    outcomes_taken_over: list[UUID] = field(default_factory=list)
    """Node runs that end: their outcomes by item are deleted, because the output holds them."""
    static_changes: list[tuple[UUID, StaticChange]] = field(default_factory=list)
    """Changes of the static data of workflows, by the workflow's id."""
    execution_fields: dict[str, Any] = field(default_factory=dict)
    cancels: dict[str, Any] | None = None
    """The request that cancels the execution: its deliveries are withdrawn, and the last event reports them."""
    begins: bool = False
    """It takes the lease of a new execution: it is written only if the execution can still be claimed."""

    def __iadd__(self, other: Change) -> Change:
        self.events += other.events
        self.node_runs += other.node_runs
        self.waits += other.waits
        self.item_outcomes += other.item_outcomes
        self.outcomes_taken_over += other.outcomes_taken_over
        self.static_changes += other.static_changes
        self.execution_fields |= other.execution_fields
        self.cancels = self.cancels or other.cancels
        self.begins = self.begins or other.begins
        return self


def event(execution: Execution, type_: str, data: dict[str, Any], source: str = SOURCE) -> NewEvent:
    """Return an event of `execution` with the current time. It is not appended yet."""
    return NewEvent(
        stream_id=execution.stream_id,
        type=f"execution.{type_}",
        data=data,
        source=source,
        execution_id=execution.pk,
        workflow_id=execution.workflow_id,
        time=timezone.now(),
    )


def transition(execution: Execution, status: ExecutionStatus) -> None:
    """Change the status of the execution. Raises IllegalMove if the current status does not allow it."""
    check_execution_transition(ExecutionStatus(execution.status), status)
    execution.status = status.value


def transition_node_run(run: NodeRun, status: NodeRunStatus) -> None:
    """Change the status of the node run. Raises IllegalMove if the current status does not allow it."""
    check_node_run_transition(NodeRunStatus(run.status), status)
    run.status = status.value


def end_node_run(run: NodeRun, status: NodeRunStatus) -> None:
    """End the node run. Its duration is the time from its start to its end, with its waits and retries. Raises
    IllegalMove."""
    transition_node_run(run, status)
    run.ended_at = timezone.now()
    if run.started_at is not None:
        run.duration_ms = round((run.ended_at - run.started_at).total_seconds() * 1000, 3)


def about(run: NodeRun) -> dict[str, Any]:
    """Return the fields that identify the node run in each of its events."""
    return {"node": run.node_id, "name": run.name, "node_type": run.node_type, "run_index": run.run_index}


def without_response(error: dict[str, Any]) -> dict[str, Any]:
    """Return the error of a node run as events carry it. The response stays on the node run."""
    return {name: value for name, value in error.items() if name != "response"}


def finish_without_lease(execution: Execution, status: ExecutionStatus, data: dict[str, Any]) -> list[NewEvent]:
    """End an execution that no worker holds. The caller has locked its row and saves it."""
    runs = list(NodeRun.objects.filter(execution=execution).defer(*UNREAD))
    for run in runs:
        if not NodeRunStatus(run.status).ended:
            end_node_run(run, NodeRunStatus.CANCELLED)
            run.error = None
            run.save(update_fields=["status", "ended_at", "duration_ms", "error"])
    now = timezone.now()
    ItemOutcome.objects.filter(node_run__execution=execution).delete()
    ItemChild.objects.filter(node_run__execution=execution).update(input=None, outcome=None)
    transition(execution, status)
    execution.ended_at = now
    execution.resume_at = None
    execution.follow_up_due = True
    return [event(execution, status.value, data | {"summary": summary(execution, runs, now)}, OUTSIDE)]


def failure_fields(execution: Execution, error: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns of an execution that failed with this error, or took too long, by which failures are found."""
    cause = FailureCause.of_end(error)
    return {"cause": cause.id_in(str(execution.workflow_id)), "failed_node": cause.node[:100]}


def summary(execution: Execution, runs: Sequence[NodeRun], ended_at: datetime) -> dict[str, Any]:
    """Return the summary that terminal events carry."""
    own = [run for run in runs if run.taken_from is None]
    timed = [run for run in own if run.duration_ms is not None]
    slowest = max(timed, key=lambda run: run.duration_ms or 0, default=None)
    fastest = min(timed, key=lambda run: run.duration_ms or 0, default=None)
    began = execution.started_at or execution.queued_at
    return {
        "duration_ms": round((ended_at - began).total_seconds() * 1000, 3),
        "nodes_executed": sum(run.status in {NodeRunStatus.COMPLETED, NodeRunStatus.FAILED} for run in own),
        "nodes_failed": sum(run.status == NodeRunStatus.FAILED for run in own),
        "nodes_skipped": sum(run.status == NodeRunStatus.SKIPPED for run in own),
        "slowest": {"node": slowest.node_id, "duration_ms": slowest.duration_ms} if slowest else None,
        "fastest": {"node": fastest.node_id, "duration_ms": fastest.duration_ms} if fastest else None,
    }
