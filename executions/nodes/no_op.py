from __future__ import annotations

from typing import Any

from executions.domain.lineage import SAME
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class NoOp(NodeType[Parameters]):
    type = "no_op"
    label = "No operation"
    description = "Passes its items through unchanged."
    icon = "dot"
    category = "flow"

    def run(self, context: NodeContext[Any]) -> NodeResult:
        return NodeResult({"main": context.items}, {"main": SAME})
