"""Relations between executions: parent, children, handled error."""

from __future__ import annotations

from typing import Any

from executions.models import Execution, Trigger

MAX_CHILDREN = 100


def parent_of(execution: Execution) -> dict[str, Any] | None:
    """Return the parent execution, and the node run that started this one; None if there is no parent."""
    parent = execution.parent
    return _related(parent, execution) if parent is not None else None


def children_of(execution: Execution) -> list[dict[str, Any]]:
    """Return the child executions, at most MAX_CHILDREN, oldest first."""
    children = Execution.objects.filter(parent=execution, workspace=execution.workspace_id)
    rows = children.select_related("workflow", "parent_run").defer("input", "response", "parent_run__output")
    return [_related(child, child) for child in rows.order_by("id")[:MAX_CHILDREN]]


def handled_error(execution: Execution) -> str | None:
    """Return the id of the execution whose error it handles, if any."""
    if execution.trigger != Trigger.ERROR.value or not execution.input:
        return None
    execution_id = (execution.input[0].get("execution") or {}).get("id")
    return str(execution_id) if execution_id else None


def _related(execution: Execution, child: Execution) -> dict[str, Any]:
    run = child.parent_run
    return {
        "id": execution.pk,
        "workflow": execution.workflow_id,
        "workflow_name": execution.workflow.name,
        "status": execution.status,
        "node": run.node_id if run else None,
        "run_index": run.run_index if run else None,
    }
