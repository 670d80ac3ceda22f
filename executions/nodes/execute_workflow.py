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
        title="Workflow", description="The id or name of a workflow in this workspace.", min_length=1, max_length=200
    )
    wait: bool = Field(
        True, title="Wait", description="Wait for the result. If off, continue at once with the id of the execution."
    )


class ExecuteWorkflow(NodeType[ExecuteWorkflowParameters]):
    type = "execute_workflow"
    label = "Execute workflow"
    description = (
        "Starts another workflow with the items and continues with its result. Occupies no worker while waiting."
    )
    icon = "workflows"
    category = "flow"
    Parameters = ExecuteWorkflowParameters
    effect = "writes"
    cacheable = False
    blocking = True

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        reference = str(parameters.get("workflow", ""))
        if "{{" in reference or reference == own_name:  # a workflow may call itself by a name that is not saved yet
            return []
        try:
            Workflow.objects.named(workspace, reference)
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
            return NodeResult({"main": [item]}, {"main": [list(range(len(context.items)))]})
        reason = f"Waiting for execution {child.pk} of {child.workflow.name!r}."
        return NodeResult(wait_for=WaitFor(reason, kind=WaitKind.EXECUTION, child=child))


def _result(outcome: dict[str, Any]) -> NodeResult:
    """Return the child's items. Raises NodeError if it did not complete, or its result is too large."""
    status = outcome.get("status")
    if status == ExecutionStatus.COMPLETED.value:
        if outcome.get("error"):
            raise NodeError(outcome["error"])
        origins = outcome.get("origins")  # in the child's input, which are the items of this node run
        return NodeResult({"main": outcome["items"]}, {} if origins is None else {"main": origins})
    message = f"The execution {outcome.get('execution')} ended with status {status}"
    message += f": {outcome['error']}" if outcome.get("error") else "."
    raise NodeError(message, retryable=status != ExecutionStatus.CANCELLED.value)
