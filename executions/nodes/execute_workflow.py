from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.statuses import ExecutionStatus
from executions.models import NoSuchWorkflow, WaitKind, Workflow
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters, WaitFor


class ExecuteWorkflowParameters(Parameters):
    workflow: str = Field(
        title="Workflow", description="Of this workspace: its id, or its name.", min_length=1, max_length=200
    )
    wait: bool = Field(
        True, title="Wait", description="Go on with the result when it has ended; else at once, with its id."
    )


class ExecuteWorkflow(NodeType[ExecuteWorkflowParameters]):
    type = "execute_workflow"
    label = "Execute workflow"
    description = (
        "Starts another workflow with its items, and goes on with what that gives. No worker is held meanwhile."
    )
    icon = "workflows"
    category = "flow"
    Parameters = ExecuteWorkflowParameters
    cacheable = False
    blocking = True

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        wanted = str(parameters.get("workflow", ""))
        if "{{" in wanted or wanted == own_name:  # it may call itself, under a name that it is only now given
            return []
        try:
            Workflow.objects.named(workspace, wanted)
        except NoSuchWorkflow as error:
            return [("parameters.workflow", "unknown", str(error))]
        return []

    def run(self, context: NodeContext[ExecuteWorkflowParameters]) -> NodeResult:
        if context.outcome is not None:
            return _result(context.outcome)
        assert context.start_child is not None
        parameters = context.parameters()
        child = context.start_child(parameters.workflow, context.items, parameters.wait)
        if not parameters.wait:
            item = {"execution": str(child.pk), "workflow": str(child.workflow_id), "status": child.status}
            return NodeResult({"main": [item]})
        reason = f"Waits for the end of execution {child.pk} of {child.workflow.name!r}."
        return NodeResult(wait_for=WaitFor(reason, kind=WaitKind.EXECUTION, child=child))


def _result(outcome: dict[str, Any]) -> NodeResult:
    """Return the child's items. Raises NodeError if it did not complete."""
    status = outcome.get("status")
    if status == ExecutionStatus.COMPLETED.value:
        return NodeResult({"main": outcome["items"]})
    said = f"The execution {outcome.get('execution')} ended as {status}"
    said += f": {outcome['error']}" if outcome.get("error") else "."
    raise NodeError(said, retryable=status != ExecutionStatus.CANCELLED.value)
