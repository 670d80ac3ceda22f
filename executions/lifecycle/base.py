"""What all status changes share: leases, changes, moves along `statuses`, events, the summary of an end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from events.log import NewEvent
from executions.domain.statuses import (
    ExecutionStatus,
    NodeRunStatus,
    check_execution_transition,
    check_node_run_transition,
)
from executions.models import Execution, NodeRun, Wait

SOURCE = "executions.engine"
OUTSIDE = "executions.lifecycle"
"""Source of events that no worker caused."""
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
    execution_fields: dict[str, Any] = field(default_factory=dict)
    cancels: dict[str, Any] | None = None
    """The request that it ends the execution for: its deliveries are withdrawn, and the last event says so."""

    def __iadd__(self, other: Change) -> Change:
        self.events += other.events
        self.node_runs += other.node_runs
        self.waits += other.waits
        self.execution_fields |= other.execution_fields
        self.cancels = self.cancels or other.cancels
        return self


def event(execution: Execution, type_: str, data: dict[str, Any], source: str = SOURCE) -> NewEvent:
    """Return an event of `execution` that has happened now, not yet appended."""
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
    """Give the execution a status that may follow its present one. Raises IllegalMove."""
    check_execution_transition(ExecutionStatus(execution.status), status)
    execution.status = status.value


def transition_node_run(run: NodeRun, status: NodeRunStatus) -> None:
    """Give the node run a status that may follow its present one. Raises IllegalMove."""
    check_node_run_transition(NodeRunStatus(run.status), status)
    run.status = status.value


def about(run: NodeRun) -> dict[str, Any]:
    """Return what every event of a node run says: which one it is."""
    return {"node": run.node_id, "name": run.name, "node_type": run.node_type, "run_index": run.run_index}


def finish_without_lease(execution: Execution, status: ExecutionStatus, data: dict[str, Any]) -> list[NewEvent]:
    """End an execution whose row the caller has locked and no worker holds; the caller saves it."""
    runs = list(NodeRun.objects.filter(execution=execution).defer("output", "inputs"))
    now = timezone.now()
    for run in runs:
        if not NodeRunStatus(run.status).ended:
            transition_node_run(run, NodeRunStatus.CANCELLED)
            run.ended_at, run.error = now, None
            run.save(update_fields=["status", "ended_at", "error"])
    transition(execution, status)
    execution.ended_at = now
    execution.resume_at = None
    execution.follow_up_due = True
    return [event(execution, status.value, data | {"summary": summary(execution, runs, now)}, OUTSIDE)]


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
