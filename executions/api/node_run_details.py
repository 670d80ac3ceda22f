"""What the API shows of a node run besides its items: parameters, errors, attempts, and what it is related to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Func, IntegerField, JSONField

from executions.domain.statuses import NodeRunStatus
from executions.models import Execution, NodeRun
from executions.nodes.used_parameters import has_expressions, shown_parameters
from webhooks.models import Delivery
from workflow_platform.core import exact_json

MAX_BYTES = 8 * 2**20
"""The bytes of parameters and errors in one list; those of further node runs are shortened."""
AT_ONCE = 200
MAX_RELATED = 20
MAX_COUNTED = 10_000
LARGE = ("output", "inputs", "lineage", "exchange", "attempts", "parameters", "error")
"""The columns that a list does not read with the others."""


_LATEST = """
SELECT latest.id FROM unnest(%s::text[]) AS node CROSS JOIN LATERAL (
  SELECT id FROM executions_noderun WHERE execution_id = %s AND node_id = node ORDER BY run_index DESC LIMIT 1
) AS latest
"""


class _Size(Func):
    template = "coalesce(octet_length(%(expressions)s::text), 0)"
    output_field = IntegerField()


class _WithoutResponse(Func):
    template = "(%(expressions)s::jsonb - 'response')"
    output_field = JSONField()


def latest_of_nodes(execution: Execution) -> list[UUID]:
    """Return the ids of the latest run of each node. Reads one row of each, however many runs there are."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [[node["id"] for node in execution.version.nodes], execution.pk])
        return [row[0] for row in cursor.fetchall()]


def within(items: list[dict[str, Any]], most: int | None) -> list[dict[str, Any]]:
    """Return the first items that have at most so many bytes of JSON together, and at least one."""
    if most is None:
        return items
    size = 0
    for count, item in enumerate(items):
        size += len(exact_json.write(item))
        if size > most and count:
            return items[:count]
    return items


def load_details(runs: Sequence[NodeRun]) -> None:
    """Load the errors and parameters of node runs that were read without them: of failed ones first. Beyond MAX_BYTES,
    errors have no response, and parameters are cut to nothing."""
    ordered = sorted(runs, key=lambda run: run.status != NodeRunStatus.FAILED)
    left = MAX_BYTES
    for start in range(0, len(ordered), AT_ONCE):
        some = {run.pk: run for run in ordered[start : start + AT_ONCE]}
        rows = NodeRun.objects.filter(pk__in=list(some))
        if left > 0:
            sizes = rows.annotate(size=_Size(F("error")) + _Size(F("parameters")))
            for pk, error, parameters, size in sizes.values_list("pk", "error", "parameters", "size"):
                some[pk].error, some[pk].parameters = error, parameters
                left -= size
        else:
            for pk, error in rows.values_list("pk", _WithoutResponse(F("error"))):
                some[pk].error = error
                some[pk].parameters = {"item": 0, "values": {}, "truncated": True}


def parameters_of(run: NodeRun, execution: Execution) -> dict[str, Any]:
    """Return `{parameters, parameters_item, parameters_truncated}`: after expressions, without secrets, cut to size.
    The parameters are null before they are evaluated."""
    if run.parameters is not None:
        stored = run.parameters
        return _shown(stored["values"], stored["item"], truncated=stored["truncated"])
    written = next((node.get("parameters") or {} for node in execution.version.nodes if node["id"] == run.node_id), {})
    if run.status == NodeRunStatus.SKIPPED or has_expressions(written):
        return _shown(None, None, truncated=False)
    values, truncated = shown_parameters(written)
    return _shown(values, None, truncated=truncated)


def _shown(values: Any, item: int | None, *, truncated: bool) -> dict[str, Any]:
    return {"parameters": values, "parameters_item": item, "parameters_truncated": truncated}


def relations_of(run: NodeRun, execution: Execution) -> dict[str, Any]:
    """Return the node runs that the items came from, and the deliveries that the node run made. Its children have a
    list of their own."""
    sources = [
        {
            "input": name,
            "node": ref["node"],
            "run_index": ref["run_index"],
            "output": ref["output"],
            "items": ref["items"],
        }
        for name, refs in run.inputs.items()
        for ref in refs
    ]
    made = Delivery.objects.filter(
        execution_id=execution.pk, workspace=execution.workspace_id, node_id=run.node_id, run_index=run.run_index
    )
    return {
        "sources": sources[:MAX_RELATED],
        "deliveries": {
            "count": made[:MAX_COUNTED].count(),
            "newest": [
                {"id": pk, "status": status, "status_code": code}
                for pk, status, code in made.order_by("-id").values_list("pk", "status", "status_code")[:MAX_RELATED]
            ],
        },
    }
