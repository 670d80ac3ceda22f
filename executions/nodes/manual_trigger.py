from __future__ import annotations

from typing import Any

from executions.domain.lineage import SAME
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class ManualTrigger(NodeType[Parameters]):
    type = "manual_trigger"
    label = "Manual trigger"
    description = "Starts when a person or the API runs the workflow. Its items are the execution's input."
    icon = "play"
    category = "trigger"
    trigger = True

    def run(self, context: NodeContext[Any]) -> NodeResult:
        if context.items:
            return NodeResult({"main": context.items}, {"main": SAME})
        return NodeResult({"main": [{}]}, {"main": [[]]})
