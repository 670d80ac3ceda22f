"""Reruns: a new execution from an ended one, whole or from a node on, with what needs no second run taken over."""

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
from executions.lifecycle.keys import Key
from executions.models import Execution, Trigger, WorkflowVersion
from executions.nodes.registry import node_types
from workflow_platform.core.accounts.models import User
from workflow_platform.core.sandbox.asking import SandboxUnavailable

START, FAILED = "start", "failed"
NODE_PREFIX = "node:"
"""Marks the id of a node, for one that is called `start` or `failed`."""
MOST_TAKEN_OVER = 20_000
"""Node runs that one rerun may take over."""
MOST_IN_BULK = 1000
BATCH, BATCH_TAKEN_OVER = 25, 2000
"""Executions, and the node runs that they take over, in one transaction."""

Items = list[dict[str, Any]]


class NotEnded(Exception):
    """Only an execution that has ended can be rerun."""


class CannotRerun(Exception):
    """What was asked for does not fit the execution; `field` names the part of it that has to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """What is to be rerun: `start`, `failed` or a node's id; `input` replaces what the execution, or that node, takes
    in. Without a priority it is that of the old execution."""

    start: str = START
    version: Literal["same", "latest"] = "same"
    input: Items | None = None
    priority: str | None = None


def key_ahead(execution: Execution, wanted: RerunRequest) -> Key | None:
    """Return the concurrency key of the new execution, for `rerun` in a transaction. Raises SandboxUnavailable."""
    version = _version(execution, wanted)
    changed = wanted.input if wanted.start == START else None
    return lifecycle.key_ahead(execution.workflow, execution.input if changed is None else changed, version)


def rerun(execution: Execution, wanted: RerunRequest, by: User | None, key: Key | None = None) -> Execution:
    """Make the new execution. Raises NotEnded, CannotRerun, CannotStart, SandboxUnavailable."""
    new = planned(execution, wanted, by)
    new.key = key
    (made,) = lifecycle.create_executions([new])
    if isinstance(made, CannotStart):
        raise made
    return made


def _version(execution: Execution, wanted: RerunRequest) -> WorkflowVersion | None:
    return execution.version if wanted.version == "same" else execution.workflow.latest_version


def planned(execution: Execution, wanted: RerunRequest, by: User | None) -> NewExecution:
    """Return the new execution as it is to be made. Raises NotEnded, CannotRerun, CannotStart."""
    if not ExecutionStatus(execution.status).ended:
        raise NotEnded(f"The execution is {execution.status}; only one that has ended can be rerun.")
    version = _version(execution, wanted)
    if version is None:
        raise CannotStart("The workflow has no version.")
    new = NewExecution(
        workflow=execution.workflow,
        version=version,
        trigger=Trigger.RERUN,
        input=execution.input,
        trigger_node=_trigger_node(execution, version),
        priority=wanted.priority or execution.priority,
        by=by,
        rerun_of=execution,
    )
    if wanted.start == START:
        new.input = execution.input if wanted.input is None else wanted.input
    else:
        _begin_at_a_node(new, execution, version, wanted)
    return new


def _trigger_node(execution: Execution, version: WorkflowVersion) -> str | None:
    """Return the node that the input enters at again; None, for the one that creation chooses, where it is gone."""
    return execution.trigger_node if any(n["id"] == execution.trigger_node for n in version.nodes) else None


def _graph(version: WorkflowVersion) -> Graph:
    return Graph.parse(version.nodes, version.edges, max_nodes=10**6)


# --- from a node on --------------------------------------------------------------------------------------------------


def _begin_at_a_node(new: NewExecution, execution: Execution, version: WorkflowVersion, wanted: RerunRequest) -> None:
    """Say what the rerun takes over and where its items enter. Raises CannotRerun."""
    graph, runs = _graph(version), lifecycle.old_runs(execution)
    chosen = _failed(graph, runs) if wanted.start == FAILED else [_node(graph, wanted.start)]
    new.rerun_from = chosen[0]
    changed: frozenset[str] = frozenset()
    if version.pk != execution.version_id:
        old = execution.version
        vars_changed = old.settings.get("vars") != version.settings.get("vars")
        changed = changed_nodes(_graph(old), graph, vars_changed=vars_changed)
    at_node = wanted.input is not None and new.rerun_from != new.trigger_node
    if at_node:
        _check_entry(graph, chosen)
    found = scope(graph, _progress(runs), chosen, changed, with_input=at_node)
    new.taken_over = [old for old in runs if old.run.node_id in found.kept]
    if len(new.taken_over) > MOST_TAKEN_OVER:
        raise CannotRerun(
            "from", f"{len(new.taken_over)} node runs are to be taken over; at most {MOST_TAKEN_OVER} can."
        )
    replaced = execution.replaced_input or {}
    new.replaced = {node_id: replaced[node_id] for node_id in still_replaced(graph, found, replaced)}
    if at_node and wanted.input is not None:
        new.replaced[new.rerun_from] = wanted.input
        trigger = {new.trigger_node} if new.trigger_node else set()
        new.left_out = sorted(found.left_out | (trigger - found.kept - found.again))
    elif wanted.input is not None:
        new.input = wanted.input
    elif wanted.start != FAILED:
        _check_reached(new, graph, runs, found)


def _node(graph: Graph, named: str) -> str:
    node_id = named if named in graph.nodes else named.removeprefix(NODE_PREFIX)
    if node_id not in graph.nodes:
        raise CannotRerun("from", f"The workflow's version has no node {node_id!r}.")
    return node_id


def _failed(graph: Graph, runs: Sequence[OldRun]) -> list[str]:
    """Return the nodes that the execution came to its end at: that failed or were cut off, or were about to run."""
    for found in (
        [old for old in runs if not old.finished and old.run.status == NodeRunStatus.FAILED],
        [old for old in runs if not old.finished],
        [old for old in runs if old.run.status == NodeRunStatus.FAILED],
    ):
        if nodes := [n for n in dict.fromkeys(old.run.node_id for old in found) if n in graph.nodes]:
            return nodes
    begun = {old.run.node_id for old in runs}
    for old in runs:
        if old.run.node_id not in graph.nodes:
            continue
        for edge in graph.edges_from(old.run.node_id):
            if edge.source_output in old.outputs and edge.target not in begun:
                return [edge.target]
    raise CannotRerun("from", "No node of the execution failed or was cut off; choose the node to rerun from.")


def _progress(runs: Sequence[OldRun]) -> dict[str, RerunProgress]:
    progress: dict[str, RerunProgress] = {}
    for old in runs:
        before = progress.get(old.run.node_id, RerunProgress(False, True))
        ran = old.run.status != NodeRunStatus.SKIPPED
        progress[old.run.node_id] = RerunProgress(before.ran or ran, before.finished and old.finished)
    return progress


def _check_entry(graph: Graph, chosen: Sequence[str]) -> None:
    """Raise CannotRerun unless other items can stand in for those that the chosen node takes in."""
    if len(chosen) > 1:
        names = ", ".join(repr(graph.nodes[n].label) for n in chosen[:5])
        raise CannotRerun("input", f"Several nodes failed ({names}): choose the one that the input is for.")
    node = graph.nodes[chosen[0]]
    inputs = node_types()[node.type].input_names(node.parameters) if node.type in node_types() else ("main",)
    if inputs and "main" not in inputs:
        raise CannotRerun("input", f"{node.label!r} takes in {' and '.join(inputs)}; its input cannot be edited.")
    if enters_cycle_elsewhere(graph, node.id):
        raise CannotRerun("input", f"{node.label!r} runs in a loop, which begins at another node: choose that one.")


def _check_reached(new: NewExecution, graph: Graph, runs: Sequence[OldRun], found: RerunScope) -> None:
    """Raise CannotRerun if the chosen node had no items and gets none now: the rerun would do nothing."""
    node_id = new.rerun_from
    ran = any(old.run.node_id == node_id and old.run.status != NodeRunStatus.SKIPPED for old in runs)
    given = {(old.run.node_id, output) for old in new.taken_over for output in old.outputs}
    reached = any((edge.source, edge.source_output) in given for edge in graph.edges_into(node_id))
    behind_another = node_id in graph.behind(found.seeds - {node_id})
    if not (ran or reached or behind_another or node_id in {new.trigger_node, *new.replaced}):
        label = graph.nodes[node_id].label
        raise CannotRerun("from", f"No item came to {label!r} in that execution: give it an input.")


# --- in bulk ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RerunFilter:
    """Which executions; those that have ended, unless they are named by `ids`."""

    workflow: UUID | None = None
    status: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    ids: Sequence[UUID] = ()
    skip_rerun: bool = False
    """Leave out what has been rerun already."""

    def matching(self, executions: QuerySet[Execution]) -> QuerySet[Execution]:
        """Return those of `executions` that fit, oldest first."""
        fits = Q()
        for name, value in (
            ("workflow_id", self.workflow),
            ("status__in", list(self.status)),
            ("queued_at__gte", self.since),
            ("queued_at__lt", self.until),
            ("pk__in", list(self.ids)),
        ):
            fits &= Q(**{name: value}) if value else Q()
        if not self.ids:
            fits &= Q(ended_at__isnull=False)
        if self.skip_rerun:
            fits &= Q(reruns__isnull=True)
        return executions.filter(fits).order_by("id")


@dataclass(slots=True)
class RerunReport:
    """What came of a bulk rerun."""

    started: list[Execution] = field(default_factory=list)
    failed: list[tuple[UUID, str]] = field(default_factory=list)
    """Executions that could not be rerun, and why."""


def rerun_many(ids: Iterable[UUID], wanted: RerunRequest, by: User | None) -> Iterator[RerunReport]:
    """Rerun executions in the order given, a batch in one transaction. Yields what came of each batch."""
    batch: list[tuple[Execution, NewExecution]] = []
    report = RerunReport()
    for pk in ids:
        execution = Execution.objects.select_related("workflow__latest_version", "version").filter(pk=pk).first()
        if execution is None:  # deleted in the meantime
            continue
        try:
            batch.append((execution, planned(execution, wanted, by)))
        except (NotEnded, CannotRerun, CannotStart) as error:
            report.failed.append((pk, str(error)))
        if len(batch) >= BATCH or sum(len(new.taken_over) for _, new in batch) >= BATCH_TAKEN_OVER:
            yield _made(batch, report)
            batch, report = [], RerunReport()
    yield _made(batch, report)


def _made(batch: Sequence[tuple[Execution, NewExecution]], report: RerunReport) -> RerunReport:
    """Make the executions, in one transaction, and add what came of them to the report."""
    try:
        made = lifecycle.create_executions([new for _, new in batch])
    except SandboxUnavailable as error:
        report.failed += [(execution.pk, str(error)) for execution, _ in batch]
        return report
    for (execution, _), row in zip(batch, made, strict=True):
        if isinstance(row, CannotStart):
            report.failed.append((execution.pk, str(row)))
        else:
            report.started.append(row)
    return report
