"""How executions belong together: who started whom."""

from __future__ import annotations

from typing import Any

from executions.models import Execution, Trigger

MOST = 100


def parent_of(execution: Execution) -> dict[str, Any] | None:
    """Return the execution that started it, and from which node run; None for one that has no parent."""
    parent = execution.parent
    return _shown(parent, execution) if parent is not None else None


def children_of(execution: Execution) -> list[dict[str, Any]]:
    """Return the executions that it started, at most 100, the first ones first."""
    children = Execution.objects.filter(parent=execution, workspace=execution.workspace_id)
    found = children.select_related("workflow", "parent_run").defer("input", "response", "parent_run__output")
    return [_shown(child, child) for child in found.order_by("id")[:MOST]]


def handled_error(execution: Execution) -> str | None:
    """Return the id of the execution whose error it handles."""
    if execution.trigger != Trigger.ERROR.value or not execution.input:
        return None
    found = (execution.input[0].get("execution") or {}).get("id")
    return str(found) if found else None


def _shown(execution: Execution, child: Execution) -> dict[str, Any]:
    run = child.parent_run
    return {
        "id": execution.pk,
        "workflow": execution.workflow_id,
        "workflow_name": execution.workflow.name,
        "status": execution.status,
        "node": run.node_id if run else None,
        "run_index": run.run_index if run else None,
    }
