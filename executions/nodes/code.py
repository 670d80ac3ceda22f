from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from django.conf import settings
from pydantic import Field

from executions.domain.errors import NodeError
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.sandbox.checking import check_code
from executions.sandbox.code import CodeCall, CodeResult, run
from executions.sandbox.code_items import NotItems
from workflow_platform.core.sandbox.task import TaskCancelled


class CodeParameters(Parameters):
    code: str = Field(
        title="Code",
        description="The body of a JavaScript function. In mode `all` it returns a list of items, in mode `each` one"
        " item or null."
        " `console.log` writes to the execution's log.",
        max_length=200_000,
    )
    mode: Literal["all", "each"] = Field("all", title="Mode", description="Run once for all items, or once per item.")
    time_limit_seconds: float = Field(
        5, title="Time limit", description="CPU seconds for all items together.", gt=0, le=60
    )


class Code(NodeType[CodeParameters]):
    type = "code"
    label = "Code"
    description = "Runs JavaScript on the items, in a sandbox with limits on time and memory."
    icon = "code"
    category = "code"
    Parameters = CodeParameters
    blocking = True
    pure = True

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        code = parameters.get("code")
        if isinstance(code, str) and (problem := check_code(code)) is not None:
            problems.append(("parameters.code", "syntax", f"The code has a syntax error: {problem}"))
        return problems

    def cache_key(self, context: NodeContext[CodeParameters]) -> Any:
        # Code is not a template. It can read its whole scope: the nodes that it names, and the variables.
        scope, code = context.evaluator.scope, str(context.node.parameters.get("code"))
        execution = scope.execution if "execution" in code else None
        named, paired = scope.named_in(code), scope.paired_in(code)
        words = [scope.workflow, scope.vars, execution, scope.surroundings_in(code)]
        return [context.node.parameters, scope.items, named, paired, *words]

    def run(self, context: NodeContext[CodeParameters]) -> NodeResult:
        # The code may contain `{{`; it is not a template and is used as it is.
        parameters = CodeParameters.model_validate(context.node.parameters)
        scope = context.evaluator.scope
        call = CodeCall(
            parameters.code,
            scope,
            parameters.mode,
            parameters.time_limit_seconds,
            settings.CODE_MEMORY_MB * 2**20,
            settings.NODE_OUTPUT_MAX_BYTES,
        )
        try:
            result = run(
                call,
                group=context.workspace,
                queue=str(scope.execution.get("id", "")),
                cancelled=context.cancelled,
            )
        except TaskCancelled:
            raise NodeError("Cancelled.") from None
        context.cost.cpu_ms, context.cost.memory_bytes = result.cpu_ms, result.memory_bytes
        _log(context, result)
        if result.error is not None:
            raise NodeError(result.error, retryable=result.retryable)
        try:
            return NodeResult({"main": result.items()}, result.lineage())
        except NotItems as error:
            raise NodeError(str(error)) from None


def _log(context: NodeContext[CodeParameters], result: CodeResult) -> None:
    """Write the log lines of the code to the execution's log."""
    for level, message in result.logs:
        context.log(level, message)
    if result.dropped:
        context.log("warning", f"{result.dropped} more lines were dropped; the limit is {len(result.logs)} lines.")
