from __future__ import annotations

from pydantic import Field

from executions.domain.items import joined
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class LoopParameters(Parameters):
    batch_size: int = Field(1, title="Batch size", description="The number of items per iteration.", ge=1, le=100_000)


class Loop(NodeType[LoopParameters]):
    type = "loop"
    label = "Loop over items"
    description = "Sends the items to `loop` in batches, then all returned items to `done`."
    icon = "loop"
    category = "flow"
    Parameters = LoopParameters
    cacheable = False
    outputs = ("loop", "done")

    def run(self, context: NodeContext[LoopParameters]) -> NodeResult:
        size = context.parameters().batch_size
        first, *returned = context.turns
        begin = len(returned) * size
        if batch := first[begin : begin + size]:
            return NodeResult({"loop": batch}, {"loop": list(range(begin, begin + len(batch)))}, keep_open=True)
        done = joined(returned)
        # The items that came back are numbered after those with which the loop opened.
        return NodeResult({"done": done}, {"done": list(range(len(first), len(first) + len(done)))})
