from __future__ import annotations

from typing import Any

from pydantic import Field

from executions.domain.attributes import MAX_ATTRIBUTES, MAX_KEY, MAX_VALUE, checked
from executions.domain.lineage import SAME
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class ExecutionDataParameters(Parameters):
    attributes: dict[str, Any] = Field(
        {},
        title="Attributes",
        description="The keys and values that the execution gets, such as customer: {{ $json.customer.id }}."
        f" Expressions are evaluated for the first item. A null sets nothing. An execution has at most {MAX_ATTRIBUTES}"
        f" attributes; a key has at most {MAX_KEY} characters, a value {MAX_VALUE}.",
        max_length=MAX_ATTRIBUTES,
    )


class ExecutionData(NodeType[ExecutionDataParameters]):
    type = "execution_data"
    label = "Execution data"
    description = (
        "Sets attributes of the execution, by which lists of executions find it. Items pass through unchanged."
    )
    icon = "tag"
    category = "flow"
    Parameters = ExecutionDataParameters

    def run(self, context: NodeContext[ExecutionDataParameters]) -> NodeResult:
        attributes = checked(context.parameters().attributes, "parameters.attributes")
        return NodeResult({"main": context.items}, {"main": SAME}, attributes=attributes)
