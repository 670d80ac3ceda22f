from __future__ import annotations

from typing import Any

from pydantic import Field

from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class SetParameters(Parameters):
    fields: dict[str, Any] = Field(
        {}, title="Fields", description="The names and values of the fields. A value may be an expression."
    )
    keep_other_fields: bool = Field(
        True,
        title="Keep other fields",
        description="Keep the other fields of the item. If off, return only the fields above.",
    )


class Set(NodeType[SetParameters]):
    type = "set"
    label = "Set fields"
    description = "Adds or changes fields of each item."
    icon = "pencil"
    category = "data"
    Parameters = SetParameters
    computes = True

    def run(self, context: NodeContext[SetParameters]) -> NodeResult:
        out = []
        for index, item in enumerate(context.items):
            parameters = context.parameters(index)
            out.append((item if parameters.keep_other_fields else {}) | parameters.fields)
        return NodeResult({"main": out})
