from __future__ import annotations

from pydantic import Field

from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class AggregateParameters(Parameters):
    field: str | None = Field(None, title="Field", description="Collect this field; empty: the whole items.")
    into: str | None = Field(None, title="Into", description="The field that holds the list; default: Field, or items.")


class Aggregate(NodeType[AggregateParameters]):
    type = "aggregate"
    label = "Aggregate"
    description = "Makes one item that holds the list of all."
    icon = "stack"
    category = "data"
    Parameters = AggregateParameters
    computes = True

    def run(self, context: NodeContext[AggregateParameters]) -> NodeResult:
        parameters = context.parameters()
        field = parameters.field
        values = [item.get(field) for item in context.items] if field else list(context.items)
        return NodeResult({"main": [{parameters.into or field or "items": values}]})
