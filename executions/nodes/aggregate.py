from __future__ import annotations

from pydantic import Field

from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class AggregateParameters(Parameters):
    field: str | None = Field(
        None, title="Field", description="The field to collect. If empty, whole items are collected."
    )
    into: str | None = Field(None, title="Into", description="The field for the list. Defaults to Field, or items.")


class Aggregate(NodeType[AggregateParameters]):
    type = "aggregate"
    label = "Aggregate"
    description = "Combines all items into one item that contains a list."
    icon = "stack"
    category = "data"
    Parameters = AggregateParameters
    computes = True

    def run(self, context: NodeContext[AggregateParameters]) -> NodeResult:
        parameters = context.parameters()
        field = parameters.field
        values = [item.get(field) for item in context.items] if field else list(context.items)
        return NodeResult({"main": [{parameters.into or field or "items": values}]})
