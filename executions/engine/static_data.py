"""Reads static data for a node run, and writes its changes in the transaction that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from executions.domain.static_data import WHOLE_WORKFLOW, StaticChange
from executions.models import StaticData
from workflow_platform.core import exact_json


def read(workflow_id: UUID, node_id: str) -> dict[str, dict[str, Any]]:
    """Return the static data of the workflow, `global`, and of the node, `node`."""
    rows = StaticData.objects.filter(workflow_id=workflow_id, node_id__in=[WHOLE_WORKFLOW, node_id])
    data = {row.node_id: exact_json.read(row.data) for row in rows}
    return {"global": data.get(WHOLE_WORKFLOW, {}), "node": data.get(node_id, {})}


def write(changes: Sequence[tuple[UUID, StaticChange]]) -> None:
    """Write changes of workflows' static data, in a transaction. The rows are locked in the order of their keys."""
    keys = sorted({(workflow_id, change.node_id) for workflow_id, change in changes})
    with connection.cursor() as cursor:
        # A workflow that has been deleted meanwhile keeps nothing.
        cursor.execute(
            "INSERT INTO executions_staticdata (workflow_id, node_id, data, updated_at)"
            " SELECT w.id, k.node_id, '{}', %s FROM unnest(%s::uuid[], %s::text[]) AS k (workflow_id, node_id)"
            " JOIN executions_workflow w ON w.id = k.workflow_id ORDER BY w.id, k.node_id"
            " ON CONFLICT (workflow_id, node_id) DO NOTHING",
            [timezone.now(), [workflow_id for workflow_id, _ in keys], [node_id for _, node_id in keys]],
        )
    found = StaticData.objects.filter(workflow_id__in={workflow_id for workflow_id, _ in keys})
    rows = found.filter(node_id__in={node_id for _, node_id in keys}).order_by("workflow_id", "node_id")
    by_key = {(row.workflow_id, row.node_id): row for row in rows.select_for_update(of=("self",))}
    for workflow_id, change in changes:
        if (row := by_key.get((workflow_id, change.node_id))) is not None:
            row.data = exact_json.write(change.applied_to(exact_json.read(row.data))).decode()
            row.updated_at = timezone.now()
    StaticData.objects.bulk_update(by_key.values(), ["data", "updated_at"])
