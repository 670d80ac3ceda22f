"""Reruns: a new execution from an ended one, as a whole or from a node, which reuses the outputs of earlier nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db.models import Q, QuerySet

from executions import lifecycle
from executions.domain.graph import Graph
from executions.domain.rerun_scope import (
    RerunProgress,
    RerunScope,
    changed_nodes,
    enters_cycle_elsewhere,
    scope,
    still_replaced,
)
from executions.domain.statuses import ExecutionStatus, NodeRunStatus
from executions.lifecycle import CannotStart, NewExecution, OldRun
from executions.lifecycle.concurrency_keys import ConcurrencyKey
from executions.models import Execution, Mode, Trigger, WorkflowVersion
from executions.nodes.registry import node_types
from workflow_platform.core.accounts.models import User
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable

START, FAILED = "start", "failed"
NODE_PREFIX = "node:"
"""The prefix of a node id, needed for nodes with the id `start` or `failed`."""
MAX_REUSED = 20_000
"""The most node runs that a rerun may reuse."""
MAX_IN_BULK = 1000
BATCH, BATCH_REUSED = 25, 2000
"""The most executions, and node runs that they reuse, in one transaction."""

Items = list[dict[str, Any]]


class NotEnded(Exception):
    """Only an ended execution can be rerun."""


class CannotRerun(Exception):
    """The request does not match the execution; `field` names the part of the request to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """A request to rerun from `start`: `start`, `failed` or a node's id. `input` replaces the input of the execution or
    of that node. The priority and the mode default to those of the original execution."""

    start: str = START
    version: Literal["same", "latest"] = "same"
    input: Items | None = None
    priority: str | None = None
    mode: str | None = None


def key_ahead(execution: Execution, request: RerunRequest) -> ConcurrencyKey | None:
    """Return the concurrency key of the new execution, to call before the transaction. Raises SandboxUnavailable."""
    version = _version(execution, request)
    changed = request.input if request.start == START else None
    return lifecycle.key_ahead(execution.workflow, execution.input if changed is None else changed, version)


def rerun(execution: Execution, request: RerunRequest, by: User | None, key: ConcurrencyKey | None = None) -> Execution:
    """Create the new execution. Raises NotEnded, CannotRerun, CannotStart, SandboxUnavailable."""
    new = plan(execution, request, by)
    new.key = key
    (result,) = lifecycle.create_executions([new])
    if isinstance(result, CannotStart):
        raise result
    return result


def _version(execution: Execution, request: RerunRequest) -> WorkflowVersion | None:
    return execution.version if request.version == "same" else execution.workflow.latest_version


def plan(execution: Execution, request: RerunRequest, by: User | None) -> NewExecution:
    """Return the plan of the new execution. Raises NotEnded, CannotRerun, CannotStart."""
    if not ExecutionStatus(execution.status).ended:
        raise NotEnded(f"The execution is {execution.status}. Only an ended execution can be rerun.")
    version = _version(execution, request)
    if version is None:
        raise CannotStart("The workflow has no version.")
    new = NewExecution(
        workflow=execution.workflow,
        version=version,
        trigger=Trigger.RERUN,
        input=execution.input,
        trigger_node=_trigger_node(execution, version),
        priority=request.priority or execution.priority,
        mode=request.mode or execution.mode,
        by=by,
        rerun_of=execution,
    )
    if request.start == START:
        new.input = execution.input if request.input is None else request.input
    else:
        _start_at_node(new, execution, version, request)
    return new


def _trigger_node(execution: Execution, version: WorkflowVersion) -> str | None:
    """Return the trigger node of the original execution; None, for the default trigger, if the version lacks it."""
    return execution.trigger_node if any(n["id"] == execution.trigger_node for n in version.nodes) else None


def _graph(version: WorkflowVersion) -> Graph:
    return Graph.parse(version.nodes, version.edges, max_nodes=10**6)


# --- from a node -----------------------------------------------------------------------------------------------------


def _start_at_node(new: NewExecution, execution: Execution, version: WorkflowVersion, request: RerunRequest) -> None:
    """Set the node runs to reuse, and the node that receives the input. Raises CannotRerun."""
    graph, runs = _graph(version), lifecycle.old_runs(execution)
    chosen = _failed(graph, runs) if request.start == FAILED else [_node(graph, request.start)]
    new.rerun_from = chosen[0]
    changed: frozenset[str] = frozenset()
    if version.pk != execution.version_id:
        old = execution.version
        vars_changed = old.settings.get("vars") != version.settings.get("vars")
        changed = changed_nodes(_graph(old), graph, vars_changed=vars_changed)
    with_input = request.input is not None and new.rerun_from != new.trigger_node
    if with_input:
        _check_entry(graph, chosen)
    rerun_scope = scope(graph, _progress(runs), chosen, changed, with_input=with_input)
    new.reused = [old for old in runs if old.run.node_id in rerun_scope.kept]
    if len(new.reused) > MAX_REUSED:
        raise CannotRerun(
            "from",
            f"The rerun would reuse {len(new.reused)} node runs; the limit is {MAX_REUSED}. Use start instead.",
        )
    replaced = execution.replaced_input or {}
    new.replaced = {node_id: replaced[node_id] for node_id in still_replaced(graph, rerun_scope, replaced)}
    if with_input and request.input is not None:
        new.replaced[new.rerun_from] = request.input
        trigger = {new.trigger_node} if new.trigger_node else set()
        new.left_out = sorted(rerun_scope.left_out | (trigger - rerun_scope.kept - rerun_scope.again))
    elif request.input is not None:
        new.input = request.input
    elif request.start != FAILED:
        _check_reached(new, graph, runs, rerun_scope)


def _node(graph: Graph, reference: str) -> str:
    node_id = reference if reference in graph.nodes else reference.removeprefix(NODE_PREFIX)
    if node_id not in graph.nodes:
        raise CannotRerun("from", f"This version of the workflow has no node {node_id!r}.")
    return node_id


def _failed(graph: Graph, runs: Sequence[OldRun]) -> list[str]:
    """Return the nodes at which the execution ended: failed or interrupted nodes, or the next node to run."""
    for candidates in (
        [old for old in runs if not old.finished and old.run.status == NodeRunStatus.FAILED],
        [old for old in runs if not old.finished],
        [old for old in runs if old.run.status == NodeRunStatus.FAILED],
    ):
        if nodes := [n for n in dict.fromkeys(old.run.node_id for old in candidates) if n in graph.nodes]:
            return nodes
    begun = {old.run.node_id for old in runs}
    for old in runs:
        if old.run.node_id not in graph.nodes:
            continue
        for edge in graph.edges_from(old.run.node_id):
            if edge.source_output in old.outputs and edge.target not in begun:
                return [edge.target]
    raise CannotRerun("from", "No node of the execution failed or was interrupted. Choose a node to rerun from.")


def _progress(runs: Sequence[OldRun]) -> dict[str, RerunProgress]:
    progress: dict[str, RerunProgress] = {}
    for old in runs:
        before = progress.get(old.run.node_id, RerunProgress(False, True))
        ran = old.run.status != NodeRunStatus.SKIPPED
        progress[old.run.node_id] = RerunProgress(before.ran or ran, before.finished and old.finished)
    return progress


def _check_entry(graph: Graph, chosen: Sequence[str]) -> None:
    """Raise CannotRerun unless the input of the chosen node can be replaced."""
    if len(chosen) > 1:
        names = ", ".join(repr(graph.nodes[n].label) for n in chosen[:5])
        raise CannotRerun("input", f"Several nodes failed ({names}). Choose the node that receives the input.")
    node = graph.nodes[chosen[0]]
    inputs = node_types()[node.type].input_names(node.parameters) if node.type in node_types() else ("main",)
    if inputs and "main" not in inputs:
        raise CannotRerun("input", f"{node.label!r} has the inputs {' and '.join(inputs)}; they cannot be edited.")
    if enters_cycle_elsewhere(graph, node.id):
        raise CannotRerun("input", f"{node.label!r} is inside a loop. Choose the node at which the loop begins.")


def _check_reached(new: NewExecution, graph: Graph, runs: Sequence[OldRun], rerun_scope: RerunScope) -> None:
    """Raise CannotRerun if the chosen node received no items and would receive none: the rerun would do nothing."""
    node_id = new.rerun_from
    ran = any(old.run.node_id == node_id and old.run.status != NodeRunStatus.SKIPPED for old in runs)
    outputs = {(old.run.node_id, output) for old in new.reused for output in old.outputs}
    reached = any((edge.source, edge.source_output) in outputs for edge in graph.edges_into(node_id))
    behind_another = node_id in graph.behind(rerun_scope.seeds - {node_id})
    if not (ran or reached or behind_another or node_id in {new.trigger_node, *new.replaced}):
        label = graph.nodes[node_id].label
        raise CannotRerun("from", f"{label!r} received no items in that execution. Add an input.")


# --- in bulk ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RerunFilter:
    """A filter of executions. It matches only ended live ones unless `ids` is given."""

    workflow: UUID | None = None
    status: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    ids: Sequence[UUID] = ()
    skip_rerun: bool = False
    """Skip executions that were rerun already."""

    def matching(self, executions: QuerySet[Execution]) -> QuerySet[Execution]:
        """Return the executions that match, oldest first."""
        condition = Q()
        for name, value in (
            ("workflow_id", self.workflow),
            ("status__in", list(self.status)),
            ("queued_at__gte", self.since),
            ("queued_at__lt", self.until),
            ("pk__in", list(self.ids)),
        ):
            condition &= Q(**{name: value}) if value else Q()
        if not self.ids:
            condition &= Q(ended_at__isnull=False, mode=Mode.LIVE)
        if self.skip_rerun:
            condition &= Q(reruns__isnull=True)
        return executions.filter(condition).order_by("id")


@dataclass(slots=True)
class RerunReport:
    """The result of a bulk rerun."""

    started: list[Execution] = field(default_factory=list)
    failed: list[tuple[UUID, str]] = field(default_factory=list)
    """Executions that could not be rerun, with the reason."""


def rerun_many(ids: Iterable[UUID], request: RerunRequest, by: User | None) -> Iterator[RerunReport]:
    """Rerun executions in the given order, one transaction per batch. Yields a report per batch."""
    batch: list[tuple[Execution, NewExecution]] = []
    report = RerunReport()
    for pk in ids:
        execution = Execution.objects.select_related("workflow__latest_version", "version").filter(pk=pk).first()
        if execution is None:  # deleted meanwhile
            continue
        try:
            batch.append((execution, plan(execution, request, by)))
        except (NotEnded, CannotRerun, CannotStart) as error:
            report.failed.append((pk, str(error)))
        if len(batch) >= BATCH or sum(len(new.reused) for _, new in batch) >= BATCH_REUSED:
            yield _create_batch(batch, report)
            batch, report = [], RerunReport()
    yield _create_batch(batch, report)


def _create_batch(batch: Sequence[tuple[Execution, NewExecution]], report: RerunReport) -> RerunReport:
    """Create the executions of a batch in one transaction, and add them to the report."""
    try:
        results = lifecycle.create_executions([new for _, new in batch])
    except SandboxUnavailable as error:
        report.failed += [(execution.pk, str(error)) for execution, _ in batch]
        return report
    for (execution, _), result in zip(batch, results, strict=True):
        if isinstance(result, CannotStart):
            report.failed.append((execution.pk, str(result)))
        else:
            report.started.append(result)
    return report
