from __future__ import annotations

from typing import Literal

from pydantic import Field

from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters

MAX_COUNT = 10_000_000


class LimitParameters(Parameters):
    count: int = Field(1, title="Count", description="How many items to hand on at most.", ge=0, le=MAX_COUNT)
    keep: Literal["first", "last"] = Field("first", title="Keep", description="From the start, or from the end.")
    offset: int = Field(0, title="Offset", description="How many items to leave out at that side.", ge=0, le=MAX_COUNT)


class Limit(NodeType[LimitParameters]):
    type = "limit"
    label = "Limit"
    description = "Hands on the first or the last items."
    icon = "limit"
    category = "data"
    Parameters = LimitParameters

    def run(self, context: NodeContext[LimitParameters]) -> NodeResult:
        parameters = context.parameters()
        if parameters.keep == "first":
            start, stop = parameters.offset, parameters.offset + parameters.count
        else:
            stop = max(0, len(context.items) - parameters.offset)
            start = max(0, stop - parameters.count)
        return NodeResult({"main": context.items[start:stop]})
