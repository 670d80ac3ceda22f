from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from executions.expressions import Evaluator, ExpressionError, check_code
from executions.nodes.base import NodeContext, NodeError, NodeResult, NodeType, Parameters


class CodeParameters(Parameters):
    code: str = Field(
        title="Code",
        description="The body of a JavaScript function. `all` returns a list of items, `each` one item or null.",
        max_length=200_000,
    )
    mode: Literal["all", "each"] = Field("all", title="Mode", description="Run once for all items, or once for each.")
    time_limit_seconds: float = Field(5, title="Time limit", description="CPU seconds for a run.", gt=0, le=60)


class Code(NodeType[CodeParameters]):
    type = "code"
    label = "Code"
    description = "Runs JavaScript over the items, sandboxed, with limits on time and memory."
    icon = "code"
    category = "code"
    Parameters = CodeParameters
    blocking = True
    pure = True

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        code = parameters.get("code")
        if isinstance(code, str) and (said := check_code(code)) is not None:
            problems.append(("parameters.code", "syntax", f"The code does not parse: {said}"))
        return problems

    def cache_key(self, context: NodeContext[CodeParameters]) -> Any:
        # It is no template, and sees its whole scope: the nodes that it names, and what is always there.
        scope, code = context.evaluator.scope, str(context.node.parameters.get("code"))
        about = scope.execution if "execution" in code else None
        return [context.node.parameters, scope.items, scope.named_in(code), scope.workflow, scope.vars, about]

    def run(self, context: NodeContext[CodeParameters]) -> NodeResult:
        # The code itself may well contain `{{`: it is no template, so it is taken as it stands.
        parameters = CodeParameters.model_validate(context.node.parameters)
        evaluator = context.evaluator.with_limits(time_limit=parameters.time_limit_seconds)
        if parameters.mode == "all":
            returned = self._run(evaluator, parameters.code, 0)
            if not isinstance(returned, list):
                raise NodeError("The code must return a list of items in mode `all`.")
        else:
            returned = []
            for index in range(len(context.items)):
                if context.cancelled.is_set():
                    raise NodeError("Cancelled.")
                value = self._run(evaluator, parameters.code, index)
                returned += [] if value is None else [value]
        return NodeResult({"main": [_item(value, index) for index, value in enumerate(returned)]})

    def _run(self, evaluator: Evaluator, code: str, index: int) -> Any:
        try:
            return evaluator.run_code(code, index)
        except ExpressionError as error:
            raise NodeError(str(error)) from None


def _item(value: Any, index: int) -> dict[str, Any]:
    """Return an item from what the code returned for it: a plain object, or `{json: {…}}`."""
    if isinstance(value, dict) and set(value) == {"json"} and isinstance(value["json"], dict):
        return value["json"]
    if not isinstance(value, dict):
        raise NodeError(f"The code returned {type(value).__name__} as item {index}; an item is an object.")
    return value
