"""Plans a rerun: what of the original execution it reuses, what runs again, and with which input."""

from __future__ import annotations

from collections.abc import Sequence

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
from executions.models import Execution, Trigger, WorkflowVersion
from executions.nodes.registry import node_types
from executions.reruns.acting import ActingNode, acting_nodes, check_choices
from executions.reruns.requests import FAILED, NODE_PREFIX, START, CannotRerun, NotEnded, RerunRequest
from workflow_platform.core.accounts.models import User

MAX_REUSED = 20_000
"""The most node runs that a rerun may reuse."""


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


def preview(execution: Execution, request: RerunRequest) -> list[ActingNode]:
    """Return the nodes that would act outside again. Raises NotEnded, CannotRerun, CannotStart."""
    new = plan(execution, request, None)
    assert new.version is not None
    return acting_nodes(_graph(new.version), lifecycle.old_runs(execution), _kept(new), request.choices)


def _kept(new: NewExecution) -> set[str]:
    """Return the nodes that do not run again."""
    return {old.run.node_id for old in new.reused} | set(new.left_out)


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
        on_failure=request.on_failure or execution.on_failure,
        hold_seconds=request.hold_seconds or execution.hold_seconds,
        by=by,
        rerun_of=execution,
    )
    if request.start == START:
        new.input = execution.input if request.input is None else request.input
    else:
        _start_at_node(new, execution, version, request)
    if request.choices:
        runs = lifecycle.old_runs(execution)
        new.choices = check_choices(_graph(version), runs, _kept(new), request.choices)
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
