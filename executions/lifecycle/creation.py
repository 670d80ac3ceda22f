"""Creates executions with the status `queued`, and their streams, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from events import log
from events.log import NewEvent
from executions import binaries
from executions.admission import admission
from executions.domain.binaries import references_in
from executions.domain.effects import Choice
from executions.domain.graph import Graph
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle import concurrency_keys, policies
from executions.lifecycle.attribute_rows import write_attributes
from executions.lifecycle.base import OUTSIDE, event, finish_without_lease
from executions.lifecycle.rerun_copy import OldRun, copy_runs, leave_out, reused_events
from executions.models import Execution, Mode, NodeRun, Priority, Trigger, Workflow, WorkflowVersion
from executions.nodes.registry import node_types
from workflow_platform.core.accounts.models import User
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.telemetry import trace_context

HEAD_START = {
    Priority.HIGH.value: timedelta(seconds=60),
    Priority.DEFAULT.value: timedelta(0),
    Priority.LOW.value: timedelta(seconds=-300),
}
"""The offset that a priority adds to the age of an execution in the queue. No priority starves another."""
BEHIND_LIVE = timedelta(days=36_500)
"""The offset that puts test and debug executions behind all live ones in the queue, whatever their age."""
TRIGGER_NODES = {Trigger.WEBHOOK.value: "webhook_trigger", Trigger.SCHEDULE.value: "schedule_trigger"}
"""The trigger node that an execution starts at. Other executions start at the manual trigger if there is one."""


class CannotStart(Exception):
    """The workflow cannot be executed as requested."""


@dataclass(slots=True)
class NewExecution:
    """An execution to create.

    `trigger_node` is the node that receives the input; by default the trigger node for `trigger`. A rerun reuses the
    node runs `reused` of `rerun_of`; the nodes in `replaced` receive these items instead of the stored ones, and the
    nodes in `left_out` do not run, and `choices` are the nodes that do not run as usual.
    """

    workflow: Workflow
    trigger: Trigger
    input: list[dict[str, Any]]
    priority: str = Priority.DEFAULT
    mode: str = Mode.LIVE
    by: User | None = None
    trigger_node: str | None = None
    version: WorkflowVersion | None = None
    on_failure: str = ""
    """What happens when a node fails for good; empty: as the workflow's settings say."""
    hold_seconds: int | None = None
    awaited: bool = False
    parent_run: NodeRun | None = None
    rerun_of: Execution | None = None
    rerun_from: str = ""
    reused: list[OldRun] = field(default_factory=list)
    replaced: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    choices: Mapping[str, Choice] = field(default_factory=dict)
    files: Collection[UUID] = ()
    """New files that no execution uses yet."""
    key: concurrency_keys.ConcurrencyKey | None = None
    """The concurrency key, once `settle_keys` has evaluated it."""
    id: UUID = field(default_factory=uuid7)
    traceparent: str = ""
    """The caller's header of that name; ignored if it is not valid."""

    @property
    def its_version(self) -> WorkflowVersion | None:
        """Return the version to execute; None if the workflow has been deleted."""
        if self.workflow.deleted_at is not None:
            return None
        return self.version or self.workflow.latest_version


def create_execution(*, workflow: Workflow, trigger: Trigger, input: list[dict[str, Any]], **further: Any) -> Execution:
    """Create one execution; `further` as in NewExecution. Raises CannotStart, Unavailable."""
    (execution,) = create_executions([NewExecution(workflow, trigger, input, **further)])
    if isinstance(execution, CannotStart):
        raise execution
    return execution


def settle_keys(executions: Sequence[NewExecution]) -> None:
    """Evaluate the concurrency keys that need JavaScript, in a sandbox process. Call it before the transaction that
    creates the executions, not within it. Raises Unavailable."""
    by_workspace: dict[UUID, list[tuple[NewExecution, WorkflowVersion]]] = {}
    for new in executions:
        if (version := new.its_version) is not None and (new.key is None or new.key.version_id != version.pk):
            by_workspace.setdefault(new.workflow.workspace_id, []).append((new, version))
    for workspace_id, group in by_workspace.items():
        new_keys = concurrency_keys.of_all([(version, new.input) for new, version in group], str(workspace_id))
        for (new, _), key in zip(group, new_keys, strict=True):
            new.key = key


def needs_key_ahead(workflow: Workflow, input: list[dict[str, Any]]) -> bool:
    """Return whether the concurrency key of the latest version needs JavaScript."""
    version = NewExecution(workflow, Trigger.API, input).its_version
    return version is not None and concurrency_keys.read(version, input) is None


def key_ahead(
    workflow: Workflow, input: list[dict[str, Any]], version: WorkflowVersion | None = None
) -> concurrency_keys.ConcurrencyKey | None:
    """Return the concurrency key of a new execution, before the transaction that creates it; None if the workflow has
    been deleted. Raises Unavailable."""
    new = NewExecution(workflow, Trigger.API, input, version=version)
    settle_keys([new])
    return new.key


def create_executions(executions: Sequence[NewExecution]) -> list[Execution | CannotStart]:
    """Create executions in one transaction, and admit those that the limits allow.

    Returns an execution, or the reason why there is none, for each. Applies the concurrency policies `skip` and
    `cancel_running`. Raises Unavailable if a concurrency key cannot be evaluated. Callers with an open transaction call
    `settle_keys` before it.
    """
    if not connection.in_atomic_block:
        settle_keys(executions)
    rows = [_row(new) for new in executions]
    if pairs := [(new, row) for new, row in zip(executions, rows, strict=True) if isinstance(row, Execution)]:
        _create(pairs)
    return list(rows)


@transaction.atomic(savepoint=False)
def _create(pairs: Sequence[tuple[NewExecution, Execution]]) -> None:
    skipped, events = policies.apply([row for _, row in pairs])
    streams = []
    for id_, (_, row) in zip(log.reserve_ids(len(pairs)), pairs, strict=True):
        row.stream_id = id_
        streams.append(log.NewStream(id_, f"execution:{row.pk}", row.workspace_id, row.mode))
    # Admitted with their first write if there is room for all, so that most executions need no second one.
    is_admitted = not skipped and admission.admit_new([row for _, row in pairs])
    Execution.objects.bulk_create([row for _, row in pairs])
    write_attributes({row.pk: row.attributes for _, row in pairs})
    _share_files(pairs)
    events += [_queued(new, row) for new, row in pairs]
    events += _reuse([(new, row) for new, row in pairs if new.reused or new.left_out])
    for _, row in pairs:
        if (reason := skipped.get(row.pk)) is not None:
            events += finish_without_lease(row, ExecutionStatus.CANCELLED, {"reason": reason, "by": None})
            row.save()
    log.append(events, opening=streams)
    if not is_admitted:
        admission.admit_or_poke()


def _row(new: NewExecution) -> Execution | CannotStart:
    """Return the unsaved row."""
    version = new.its_version
    if version is None:
        return CannotStart("The workflow has been deleted.")
    depth = new.parent_run.execution.depth + 1 if new.parent_run else 0
    if depth > settings.MAX_WORKFLOW_DEPTH:
        return CannotStart(
            f"Workflows call each other more than {settings.MAX_WORKFLOW_DEPTH} levels deep (MAX_WORKFLOW_DEPTH)."
        )
    try:
        node_id = new.trigger_node or _trigger_node(version.nodes, new.trigger)
    except CannotStart as error:
        return error
    settle_keys([new])  # a newer version may have been saved meanwhile
    if new.key is not None and new.key.error:
        return CannotStart(f"settings.concurrency.key: {new.key.error}")
    now = timezone.now()
    return Execution(
        id=new.id,
        workspace_id=new.workflow.workspace_id,
        workflow=new.workflow,
        version=version,
        status=ExecutionStatus.QUEUED.value,
        trigger=new.trigger,
        trigger_node=node_id,
        priority=new.priority,
        mode=new.mode,
        input=new.input,
        created_by=new.by,
        nodes_total=len(version.nodes),
        queued_at=now,
        rank_at=now - HEAD_START[str(new.priority)] + (timedelta(0) if new.mode == Mode.LIVE else BEHIND_LIVE),
        on_failure=new.on_failure,
        hold_seconds=new.hold_seconds,
        awaited=new.awaited,
        concurrency_key=new.key.text if new.key else "",
        parent=new.parent_run.execution if new.parent_run else None,
        parent_run=new.parent_run,
        depth=depth,
        trace_parent=_trace_parent(new),
        rerun_of=new.rerun_of,
        rerun_from=new.rerun_from,
        replaced_input=new.replaced or None,
        rerun_choices=dict(new.choices) or None,
        attributes={key: value for old in new.reused for key, value in (old.run.attributes or {}).items()},
    )


def _trace_parent(new: NewExecution) -> str:
    """Return the span that starts the execution, as the row stores it."""
    if (run := new.parent_run) is not None:
        parent = run.execution
        span = trace_context.attempt_span(parent.pk, run.node_id, run.run_index, run.attempt)
        return parent.trace_context.at(span).stored()
    caller = trace_context.parse(new.traceparent) if new.traceparent else None
    return caller.stored() if caller else ""


def _trigger_node(nodes: list[dict[str, Any]], trigger: Trigger) -> str:
    """Return the id of the node that an execution started by `trigger` starts at."""
    types = node_types()
    triggers = [n for n in nodes if not n.get("disabled") and (t := types.get(n["type"])) is not None and t.trigger]
    preferred = TRIGGER_NODES.get(str(trigger), "manual_trigger")
    triggers.sort(key=lambda node: node["type"] != preferred)
    if not triggers:
        raise CannotStart("The workflow has no enabled trigger node.")
    return str(triggers[0]["id"])


def _share_files(pairs: Sequence[tuple[NewExecution, Execution]]) -> None:
    """Let reruns use all files of their old executions, children the files of the items that they were started with,
    and the executions of requests the files of their requests."""
    binaries.copy_uses([(row.pk, new.rerun_of.pk) for new, row in pairs if new.rerun_of is not None])
    for new, row in pairs:
        if new.parent_run is not None:
            binaries.share(new.parent_run.execution_id, row.pk, references_in(new.input))
        if new.files:
            binaries.adopt(row.pk, row.workspace_id, new.files)


# --- events, and the node runs that a rerun reuses --------------------------------------------------------------------


def _queued(new: NewExecution, row: Execution) -> NewEvent:
    data = {
        "trigger": str(row.trigger),
        "trigger_node": row.trigger_node,
        "priority": str(row.priority),
        "workflow_name": row.workflow.name,
        "workflow_version": row.version.number,
        "input_items": len(row.input),
        "by": new.by.get_username() if new.by else None,
        "parent": str(row.parent_id) if row.parent_id else None,
        "rerun_of": str(row.rerun_of_id) if row.rerun_of_id else None,
        "rerun_from": row.rerun_from or None,
        "mode": str(row.mode),
    }
    return event(row, "queued", data, OUTSIDE)


def _reuse(reruns: Sequence[tuple[NewExecution, Execution]]) -> list[NewEvent]:
    """Write the node runs that the reruns reuse or skip. Returns their events."""
    graphs = [Graph.parse(row.version.nodes, row.version.edges, max_nodes=10**6) for _, row in reruns]
    copy_runs([(row, graph, new.reused) for (new, row), graph in zip(reruns, graphs, strict=True)])
    events = []
    for (new, row), graph in zip(reruns, graphs, strict=True):
        skipped, skip_events = leave_out(row, graph, new.left_out)
        NodeRun.objects.bulk_create(skipped)
        events += reused_events(row, graph, new.reused, set(new.replaced)) + skip_events
    return events
