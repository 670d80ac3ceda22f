from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from executions.domain.errors import NodeError
from executions.models import NoSuchWorkflow, WaitKind, Workflow
from executions.nodes.base import NodeContext, NodeResult, Parameters, PerItemNodeType, WaitFor
from executions.nodes.children import ItemCall, OnFailure, Outcome, items_of


class ExecuteWorkflowParameters(Parameters):
    workflow: str = Field(
        title="Workflow", description="The id or name of a workflow in this workspace.", min_length=1, max_length=200
    )
    mode: Literal["once", "each"] = Field(
        "once",
        title="Mode",
        description="Start it once with all items, or once for each item, so that each has a result of its own.",
    )
    at_once: int = Field(
        10,
        title="At once",
        description="In mode `each`: how many executions may run at the same time. The others wait for their turn."
        " It has no effect without `wait`.",
        ge=1,
        le=100,
    )
    wait: bool = Field(
        True, title="Wait", description="Wait for the result. If off, continue at once with the id of the execution."
    )


_LITERAL = ("mode", "at_once", "wait")
"""Parameters that are the same for all items in mode `each`."""


class ExecuteWorkflow(PerItemNodeType[ExecuteWorkflowParameters]):
    type = "execute_workflow"
    label = "Execute workflow"
    description = (
        "Starts another workflow with the items, or for each item, and continues with its result. Occupies no worker"
        " while waiting."
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

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        names = _LITERAL if parameters.get("mode") == "each" else ("mode",)
        for name in names:
            if "{{" in str(parameters.get(name, "")):
                message = "This cannot be an expression, since it is the same for all items. Use a fixed value."
                problems.append((f"parameters.{name}", "fixed", message))
        return problems

    def run(self, context: NodeContext[ExecuteWorkflowParameters]) -> NodeResult:
        if context.node.parameters.get("mode") == "each":
            return self._run_each(context)
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

    # --- once for each item ----------------------------------------------------------------------------------------

    def _run_each(self, context: NodeContext[ExecuteWorkflowParameters]) -> NodeResult:
        assert context.children is not None
        fixed = _fixed(context)
        context.outcomes.has_kept = True  # how the children end is stored until the node run ends
        if context.outcome is not None:
            return self._ended(context)
        calls = self._calls(context)
        if not calls:
            return self.result_of(context)
        if not fixed.wait:
            return self._started(context, context.children.start_unawaited(calls))
        is_over = context.children.start(calls, fixed.at_once, _on_failure(context))
        if is_over:
            return self._ended(context)
        context.outcomes.flush()  # the items that failed are known when it continues
        return NodeResult(wait_for=WaitFor(_reason(calls, fixed.at_once), kind=WaitKind.EXECUTION))

    def _calls(self, context: NodeContext[ExecuteWorkflowParameters]) -> list[ItemCall]:
        """Return what to start for each item without an outcome, before anything starts. Raises NodeError."""
        assert context.node_run is not None
        workspace, known, calls = context.node_run.execution.workspace_id, dict[str, Workflow](), list[ItemCall]()
        for index, item in enumerate(context.items):
            if index in context.outcomes:
                continue
            try:
                reference = context.parameters(index).workflow
                if reference not in known:
                    known[reference] = _find(workspace, reference)
            except NodeError as error:
                self.fail_item(context, index, error)
            else:
                calls.append(ItemCall(index, known[reference], item))
        context.outcomes.check_finished()
        return calls

    def _started(self, context: NodeContext[ExecuteWorkflowParameters], started: Mapping[int, Outcome]) -> NodeResult:
        """Return the result of items whose children nothing waits for."""
        failed = {index: outcome for index, outcome in started.items() if outcome.get("error")}
        for index, outcome in started.items():
            if index not in failed:
                about = {name: outcome[name] for name in ("execution", "workflow", "status")}
                context.outcomes.succeed(index, {"main": [about]})
        return self._with_failures(context, {i: NodeError(str(each["error"])) for i, each in failed.items()})

    def _ended(self, context: NodeContext[ExecuteWorkflowParameters]) -> NodeResult:
        """Return the result of items whose children have ended, as far as the node run waited for them."""
        assert context.children is not None
        errors = dict[int, NodeError]()
        for index, outcome in context.children.outcomes().items():
            if index in context.outcomes:
                continue
            try:
                items = items_of(outcome)
            except NodeError as error:
                errors[index] = error
            else:
                context.outcomes.succeed(index, {"main": context.redaction.value(items)})
        return self._with_failures(context, errors)

    def _with_failures(
        self, context: NodeContext[ExecuteWorkflowParameters], errors: Mapping[int, NodeError]
    ) -> NodeResult:
        """Return the result. Raises NodeError if the attempt ends, after the items that succeeded were noted."""
        try:
            for index, error in errors.items():
                self.fail_item(context, index, error)
            context.outcomes.check_finished()
        except NodeError:
            context.outcomes.end_attempt()
            raise
        return self.result_of(context)


def _fixed(context: NodeContext[ExecuteWorkflowParameters]) -> ExecuteWorkflowParameters:
    """Return the parameters that are the same for all items."""
    values = {name: context.node.parameters[name] for name in _LITERAL if name in context.node.parameters}
    return ExecuteWorkflowParameters.model_validate(values | {"workflow": "of each item"})


def _find(workspace: UUID, reference: str) -> Workflow:
    try:
        return Workflow.objects.named(workspace, reference)
    except NoSuchWorkflow as error:
        raise NodeError(f"parameters.workflow: {error}") from None


def _on_failure(context: NodeContext[ExecuteWorkflowParameters]) -> OnFailure:
    if context.node.on_error != "stop":
        return "continue"
    # A retry repeats no child that succeeds, so those that run are given their time.
    return "finish" if context.node.retry.follows(context.outcomes.attempt, retryable=True) else "stop"


def _reason(calls: list[ItemCall], at_once: int) -> str:
    names = {call.workflow.name for call in calls}
    of = f" of {next(iter(names))!r}" if len(names) == 1 else ""
    if len(calls) == 1:
        return f"Waiting for 1 execution{of}."
    limit = f", at most {at_once} at a time" if at_once < len(calls) else ""
    return f"Waiting for {len(calls):,} executions{of}{limit}."


def _result(outcome: dict[str, Any]) -> NodeResult:
    """Return the child's items. Raises NodeError if it did not complete, or its result is too large."""
    items, origins = items_of(outcome), outcome.get("origins")  # in the child's input: the items of this node run
    return NodeResult({"main": items}, {} if origins is None else {"main": origins})
