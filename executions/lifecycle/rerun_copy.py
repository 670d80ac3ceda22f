"""Node runs that a rerun reuses: copied within the database with their outputs, and with their events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Func, JSONField
from django.utils import timezone

from events.log import NewEvent
from executions.domain.graph import ERROR_OUTPUT, Graph
from executions.domain.statuses import NodeRunStatus
from executions.lifecycle.base import OUTSIDE, UNREAD, about, event, transition_node_run, without_response
from executions.models import Execution, NodeRun
from workflow_platform.core.identifiers import uuid7

LEFT_OUT = "The rerun starts after this node, with edited input."


class _OutputSizes(Func):
    """The number of items of each output of a node run, and their bytes as text. NULL if there is no output."""

    template = (
        "(SELECT json_object_agg(name, json_build_array(json_array_length(items), octet_length(items::text)))"
        " FROM json_each(%(expressions)s) AS output(name, items))"
    )
    output_field = JSONField()


@dataclass(slots=True)
class OldRun:
    """A node run of an ended execution. Its output may be large and is not loaded: `outputs` has the sizes."""

    run: NodeRun
    outputs: dict[str, tuple[int, int]]
    """Items and bytes by output."""
    finished: bool
    """It has an output or was skipped: a rerun can reuse it."""


def old_runs(execution: Execution) -> list[OldRun]:
    """Return the node runs of an ended execution, in the order in which they were recorded."""
    runs = NodeRun.objects.filter(execution=execution)
    with_output = runs.filter(output__isnull=False).values_list("pk", _OutputSizes(F("output")))
    outputs: dict[UUID, Any] = {pk: sizes or {} for pk, sizes in with_output}
    return [
        OldRun(
            run,
            {name: (items, size) for name, (items, size) in outputs.get(run.pk, {}).items()},
            run.pk in outputs or run.status == NodeRunStatus.SKIPPED,
        )
        for run in runs.defer(*UNREAD).order_by("id")
    ]


_COLUMNS = [str(field.column) for field in NodeRun._meta.concrete_fields]
_COPIED = {
    "id": "new.id",
    "execution_id": "new.execution_id",
    "name": "new.name",
    "taken_from": "old.id",
    "started_at": "%s",
    "ended_at": "%s",
    "wake_at": "NULL",
    "cost": "NULL",
}
_COPY = (
    f"INSERT INTO executions_noderun ({', '.join(_COLUMNS)})"  # noqa: S608 - names of our own columns
    f" SELECT {', '.join(_COPIED.get(column, f'old.{column}') for column in _COLUMNS)}"
    " FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[]) AS new(id, old_id, execution_id, name)"
    " JOIN executions_noderun old ON old.id = new.old_id"
)


def copy_runs(reruns: Sequence[tuple[Execution, Graph, Sequence[OldRun]]]) -> None:
    """Copy ended node runs of the old executions to the new ones. Each `OldRun.run` becomes the copy."""
    ids: list[UUID] = []
    names: list[str] = []
    executions: list[UUID] = []
    old_ids: list[UUID] = []
    for execution, graph, runs in reruns:
        for old in runs:
            run = old.run
            old_ids.append(run.pk)
            run.taken_from, run.id, run.execution = run.pk, uuid7(), execution
            run.name = graph.nodes[run.node_id].label
            ids.append(run.pk)
            names.append(run.name)
            executions.append(execution.pk)
    if ids:
        now = timezone.now()
        with connection.cursor() as cursor:
            cursor.execute(_COPY, [now, now, ids, old_ids, executions, names])


def leave_out(execution: Execution, graph: Graph, node_ids: Sequence[str]) -> tuple[list[NodeRun], list[NewEvent]]:
    """Return the unsaved rows and the events of nodes that the rerun does not run."""
    runs = []
    for node_id in node_ids:
        node = graph.nodes[node_id]
        run = NodeRun(execution=execution, node_id=node_id, name=node.label, node_type=node.type)
        transition_node_run(run, NodeRunStatus.SKIPPED)
        run.ended_at = timezone.now()
        runs.append(run)
    return runs, [event(execution, "node_skipped", about(run) | {"reason": LEFT_OUT}, OUTSIDE) for run in runs]


def reused_events(execution: Execution, graph: Graph, runs: Sequence[OldRun], replaced: set[str]) -> list[NewEvent]:
    """Return the events of reused node runs: their ends, their data flow, and the progress."""
    events = []
    for old in runs:
        events.append(_ended(execution, old))
        for edge in graph.edges_from(old.run.node_id):
            items, size = old.outputs.get(edge.source_output, (0, 0))
            if not items or (edge.target in replaced and not graph.leads_back(edge)):
                continue
            data = {
                "edge": edge.model_dump(include={"source", "source_output", "target", "target_input"}),
                "run_index": old.run.run_index,
                "items": items,
                "bytes": size,
                "taken_from": str(old.run.taken_from),
            }
            events.append(event(execution, "data_flow", data, OUTSIDE))
    if runs:
        done = len({old.run.node_id for old in runs})
        data = {"completed": done, "total": len(graph.nodes), "in_progress": 0, "estimated_remaining_ms": None}
        events.append(event(execution, "progress", data, OUTSIDE))
    return events


def _ended(execution: Execution, old: OldRun) -> NewEvent:
    run = old.run
    data: dict[str, Any] = about(run) | {"taken_from": str(run.taken_from)}
    if run.status == NodeRunStatus.SKIPPED:
        return event(execution, "node_skipped", data | {"reason": "Skipped in the original execution."}, OUTSIDE)
    data |= {"attempt": run.attempt, "duration_ms": run.duration_ms or 0.0}
    if run.status == NodeRunStatus.FAILED:
        on_error = "route" if ERROR_OUTPUT in old.outputs else "continue"
        data |= {"error": without_response(run.error or {}), "failed_items": run.failed_items, "on_error": on_error}
        return event(execution, "node_failed", data, OUTSIDE)
    data |= {
        "cpu_ms": run.cpu_ms,
        "memory_bytes": run.memory_bytes,
        "output_items": run.output_items,
        "output_bytes": run.output_bytes,
        "outputs": {name: items for name, (items, _) in old.outputs.items()},
        "failed_items": run.failed_items,
        "from_cache": run.from_cache,
    }
    if run.attributes:
        data["attributes"] = run.attributes
    return event(execution, "node_completed", data, OUTSIDE)
