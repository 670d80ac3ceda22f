from __future__ import annotations

from typing import Any

from pydantic import Field

from executions.domain.errors import NodeError
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class SplitOutParameters(Parameters):
    field: str = Field(title="Field", description="The field that contains a list.", min_length=1)


class SplitOut(NodeType[SplitOutParameters]):
    type = "split_out"
    label = "Split out"
    description = "Creates one item for each element of a list."
    icon = "split"
    category = "data"
    Parameters = SplitOutParameters
    computes = True

    def run(self, context: NodeContext[SplitOutParameters]) -> NodeResult:
        out: list[dict[str, Any]] = []
        for index, item in enumerate(context.items):
            field = context.parameters(index).field
            values = item.get(field)
            if not isinstance(values, list):
                raise NodeError(f"parameters.field: {field!r} is not a list (item {index}).")
            out += [value if isinstance(value, dict) else {field: value} for value in values]
        return NodeResult({"main": out})
