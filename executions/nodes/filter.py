from __future__ import annotations

from executions.nodes.base import NodeContext, NodeResult, NodeType
from executions.nodes.if_ import ConditionParameters, truthy


class Filter(NodeType[ConditionParameters]):
    type = "filter"
    label = "Filter"
    description = "Keeps the items that meet a condition."
    icon = "funnel"
    category = "data"
    Parameters = ConditionParameters
    computes = True

    def run(self, context: NodeContext[ConditionParameters]) -> NodeResult:
        kept = [item for index, item in enumerate(context.items) if truthy(context.parameters(index).condition)]
        return NodeResult({"main": kept})
