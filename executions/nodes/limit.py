from __future__ import annotations

from typing import Literal

from pydantic import Field

from executions.domain.lineage import compact
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters

MAX_COUNT = 10_000_000


class LimitParameters(Parameters):
    count: int = Field(1, title="Count", description="The maximum number of items to keep.", ge=0, le=MAX_COUNT)
    keep: Literal["first", "last"] = Field("first", title="Keep", description="Keep the first or the last items.")
    offset: int = Field(0, title="Offset", description="The number of items to skip at that end.", ge=0, le=MAX_COUNT)


class Limit(NodeType[LimitParameters]):
    type = "limit"
    label = "Limit"
    description = "Keeps the first or the last items."
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
        kept = range(len(context.items))[start:stop]
        return NodeResult({"main": context.items[start:stop]}, {"main": compact([*kept], len(context.items))})
