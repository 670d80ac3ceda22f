"""Executions that stand in line, and what admission has done with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from executions.lifecycle import NewExecution, create_executions, request_cancel
from executions.models import Execution, Trigger, Workflow
from executions.workflows.definitions import save_workflow
from tests.workflows import edge, node
from workflow_platform.core.accounts.models import Workspace

GRAPH: dict[str, Any] = {
    "nodes": [node("start", "manual_trigger"), node("end", "no_op")],
    "edges": [edge("start", "end")],
}
AT_ONCE = 1_000


def workflow_in(workspace: str = "tests", name: str = "Of a test", **settings: Any) -> Workflow:
    """Save a workflow of two nodes in the workspace."""
    found, _ = Workspace.objects.get_or_create(slug=workspace, defaults={"name": workspace.title()})
    return save_workflow(workspace=found, definition={"name": name, **GRAPH, "settings": settings}, by=None)


def start(
    workflow: Workflow,
    count: int = 1,
    *,
    input: dict[str, Any] | None = None,
    inputs: Callable[[int], dict[str, Any]] | None = None,
    **further: Any,
) -> list[Execution]:
    """Create executions the way triggers do, a thousand in each transaction; `inputs` returns the nth one's item."""
    made: list[Execution] = []
    while len(made) < count:
        wanted = [
            NewExecution(workflow, Trigger.API, [inputs(n)] if inputs else [input] if input else [], **further)
            for n in range(len(made), min(len(made) + AT_ONCE, count))
        ]
        for row in create_executions(wanted):
            assert isinstance(row, Execution)
            made.append(row)
    return made


def admitted(**of: Any) -> list[Execution]:
    """Return those that count against the limits, in the order in which they were admitted."""
    found = Execution.objects.filter(admitted_at__isnull=False, ended_at__isnull=True, **of)
    return list(found.order_by("admitted_at", "id"))


def end(executions: list[Execution]) -> None:
    """Have them end, as those do that no worker holds."""
    for execution in executions:
        request_cancel(execution)
