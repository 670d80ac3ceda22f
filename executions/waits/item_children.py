"""Child executions of items: planned together, and started some at a time.

A node run plans the children of an attempt in one transaction, with its wait for them. The end of a child starts the
next one (`child_ends`), in whichever process handles that end; the parent occupies no worker meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from executions import lifecycle
from executions.admission import admission
from executions.domain.errors import NodeError
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.base import NOT_HELD
from executions.lifecycle.creation import NewExecution
from executions.models import Execution, ItemChild, NodeRun, Trigger, Wait, WaitKind, Workflow
from executions.nodes.children import ItemCall, OnFailure, Outcome
from executions.waits.child_counts import (
    LARGE,
    counts_of,
    locked_parent,
    may_start,
    new_counts,
    record_end,
    room,
    run_of,
    save_counts,
)
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable

logger = logging.getLogger(__name__)

BATCH = 100
Planned = tuple[ItemChild, NewExecution]


class ChildrenOfItems:
    """The children of the items of one attempt of a node run (`nodes.children.ItemChildren`)."""

    def __init__(self, run: NodeRun) -> None:
        self._run = run

    def start(self, calls: Sequence[ItemCall], at_once: int, on_failure: OnFailure) -> bool:
        """See `ItemChildren.start`."""
        wait = _wait_of(self._run)
        if wait is None:
            first = [_new(call.workflow, call.item) for call in calls[:at_once]]
            _settle_keys(first)
            wait = _plan(self._run, calls, first, new_counts(len(calls), at_once, on_failure))
        start_planned(wait.pk)
        wait.refresh_from_db(fields=["resolved_at"])
        return wait.resolved_at is not None

    def start_unawaited(self, calls: Sequence[ItemCall]) -> dict[int, Outcome]:
        """See `ItemChildren.start_unawaited`."""
        outcomes: dict[int, Outcome] = {}
        for begin in range(0, len(calls), BATCH):
            batch = calls[begin : begin + BATCH]
            new = [_new(call.workflow, call.item) for call in batch]
            _settle_keys(new)
            outcomes |= _start_unawaited(self._run, batch, new)
        return outcomes

    def outcomes(self) -> dict[int, Outcome]:
        """See `ItemChildren.outcomes`."""
        ended = ItemChild.objects.filter(node_run=self._run, attempt=self._run.attempt, outcome__isnull=False)
        return {row.item: row.outcome or {} for row in ended.order_by("item")}


def _wait_of(run: NodeRun) -> Wait | None:
    attempt = {"node_id": run.node_id, "run_index": run.run_index, "attempt": run.attempt}
    return Wait.objects.filter(execution=run.execution_id, children__isnull=False, **attempt).first()


@transaction.atomic
def _plan(run: NodeRun, calls: Sequence[ItemCall], first: Sequence[NewExecution], counts: dict[str, Any]) -> Wait:
    """Write the attempt's wait and its children, and start the first ones, unless that was done; `first` are their
    executions."""
    parent = _locked_by_worker(run)
    if (known := _wait_of(run)) is not None:
        return known
    attempt = {"node_id": run.node_id, "run_index": run.run_index, "attempt": run.attempt}
    wait = Wait.objects.create(execution=parent, kind=WaitKind.EXECUTION, children=counts, **attempt)
    rows = [
        ItemChild(node_run=run, attempt=run.attempt, item=call.index, workflow_id=call.workflow.pk, input=call.item)
        for call in calls
    ]
    ItemChild.objects.bulk_create(rows, batch_size=1000)
    _start(parent, run, wait, list(zip(rows, first, strict=False)))
    return wait


@transaction.atomic
def _start_unawaited(run: NodeRun, calls: Sequence[ItemCall], new: Sequence[NewExecution]) -> dict[int, Outcome]:
    parent = _locked_by_worker(run)
    rows = ItemChild.objects.filter(node_run=run, attempt=run.attempt, item__in=[call.index for call in calls])
    known = {row.item: row for row in rows.select_related("child")}
    outcomes: dict[int, Outcome] = {item: _about(row) for item, row in known.items()}
    missing = [(call, each) for call, each in zip(calls, new, strict=True) if call.index not in known]
    started = []
    for (call, _), made in zip(missing, _create(parent, run, [each for _, each in missing]), strict=True):
        if not isinstance(made, Execution):
            outcomes[call.index] = _refused(call.workflow.name, made)
            continue
        row = ItemChild(node_run=run, attempt=run.attempt, item=call.index, workflow_id=call.workflow.pk, child=made)
        row.started_at = row.ended_at = timezone.now()
        started.append(row)
        outcomes[call.index] = _about(row)
    ItemChild.objects.bulk_create(started)
    return outcomes


def start_planned(wait_id: UUID) -> None:
    """Start planned children while fewer run than may. If a concurrency key cannot be evaluated now, a sweep tries
    again."""
    while rows := _next_planned(wait_id):
        workflows = Workflow.objects.select_related("latest_version").in_bulk({row.workflow_id for row in rows})
        planned = [(row, _new(workflows[row.workflow_id], row.input)) for row in rows]
        try:
            lifecycle.settle_keys([new for _, new in planned])
        except SandboxUnavailable as error:
            extra = {"execution_id": rows[0].node_run.execution_id, "node": rows[0].node_run.node_id}
            logger.warning("%d child executions not started; a sweep tries again: %s", len(rows), error, extra=extra)
            return
        if not _start_next(wait_id, planned):
            return


def _next_planned(wait_id: UUID) -> list[ItemChild]:
    """Return the children that may start now."""
    wait = Wait.objects.select_related("execution").defer(*(f"execution__{name}" for name in LARGE)).get(pk=wait_id)
    run = run_of(wait)
    if run is None or not may_start(wait.execution, run, wait):
        return []
    planned = ItemChild.objects.filter(node_run=run, attempt=wait.attempt, started_at=None, ended_at=None)
    rows = list(planned.order_by("item")[: max(0, room(wait))])
    for row in rows:
        row.node_run = run
    return rows


@transaction.atomic
def _start_next(wait_id: UUID, planned: Sequence[Planned]) -> bool:
    """Start children that still may. Returns whether one has started."""
    execution_id = Wait.objects.values_list("execution_id", flat=True).get(pk=wait_id)
    parent = locked_parent(execution_id)
    wait = Wait.objects.select_for_update().get(pk=wait_id)
    run = run_of(wait)
    if run is None or not may_start(parent, run, wait):
        return False
    rows = ItemChild.objects.filter(pk__in=[row.pk for row, _ in planned], started_at=None, ended_at=None)
    unstarted = rows.in_bulk()
    due = [(unstarted[row.pk], new) for row, new in planned if row.pk in unstarted][: max(0, room(wait))]
    _start(parent, run, wait, due)
    return bool(due)


def _start(parent: Execution, run: NodeRun, wait: Wait, due: Sequence[Planned]) -> None:
    """Start planned children. One that cannot start has failed."""
    made = _create(parent, run, [new for _, new in due])
    for (row, new), child in zip(due, made, strict=True):
        row.started_at, row.input = timezone.now(), None
        counts_of(wait)["started"] += 1
        if isinstance(child, Execution):
            row.child = child
        else:
            record_end(row, wait, _refused(new.workflow.name, child))
    ItemChild.objects.bulk_update([row for row, _ in due], ["started_at", "ended_at", "input", "child", "outcome"])
    save_counts(wait)


def _create(parent: Execution, run: NodeRun, new: Sequence[NewExecution]) -> list[Execution | lifecycle.CannotStart]:
    parent_run = NodeRun(pk=run.pk, execution=parent, node_id=run.node_id, run_index=run.run_index, attempt=run.attempt)
    for each in new:
        each.priority, each.mode, each.by, each.parent_run = parent.priority, parent.mode, parent.created_by, parent_run
    made = lifecycle.create_executions(new) if new else []
    if any(isinstance(each, Execution) and each.ended_at is not None for each in made):
        admission.follow_up_on_commit()  # a concurrency policy has skipped it
    return made


def _locked_by_worker(run: NodeRun) -> Execution:
    """Lock the parent: a worker that has lost it starts nothing, and nothing starts after its end. Raises NodeError."""
    parent = locked_parent(run.execution_id)
    if parent.status != ExecutionStatus.RUNNING.value or parent.fencing_token != run.execution.fencing_token:
        raise NodeError(NOT_HELD)
    if parent.cancel_requested_at is not None:
        raise NodeError("Cancelled.")
    return parent


def _new(workflow: Workflow, item: dict[str, Any]) -> NewExecution:
    return NewExecution(workflow=workflow, trigger=Trigger.WORKFLOW, input=[item])


def _settle_keys(new: Sequence[NewExecution]) -> None:
    """Evaluate the concurrency keys, before the transaction that holds the parent's row. Raises NodeError."""
    try:
        lifecycle.settle_keys(new)
    except SandboxUnavailable as error:
        raise NodeError(f"settings.concurrency.key: {error}", retryable=True) from None


def _refused(name: str, why: Exception) -> Outcome:
    error = f"{name!r} was not started: {why}"
    return {"execution": None, "status": ExecutionStatus.FAILED.value, "items": [], "error": error}


def _about(row: ItemChild) -> Outcome:
    child = row.child
    about = {"execution": str(child.pk), "status": child.status} if child else {"execution": None, "status": None}
    return about | {"workflow": str(row.workflow_id)}
