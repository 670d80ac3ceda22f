from __future__ import annotations

from typing import Literal

from pydantic import Field

from executions.domain.items import Item
from executions.domain.lineage import Origin, compact
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.comparing import identity
from executions.nodes.paths import FieldPath, read


class RemoveDuplicatesParameters(Parameters):
    fields: list[FieldPath] = Field(
        [],
        title="Fields",
        description="Items with equal values in these fields are duplicates. If empty, all fields are compared.",
        max_length=50,
    )
    keep: Literal["first", "last"] = Field("first", title="Keep", description="Which of the duplicates to keep.")


class RemoveDuplicates(NodeType[RemoveDuplicatesParameters]):
    type = "remove_duplicates"
    label = "Remove duplicates"
    description = "Removes items that are equal in all or some fields."
    icon = "duplicates"
    category = "data"
    Parameters = RemoveDuplicatesParameters
    computes = True

    def run(self, context: NodeContext[RemoveDuplicatesParameters]) -> NodeResult:
        parameters = context.parameters()
        seen: set[tuple[bytes, ...]] = set()
        items = list(context.items)
        kept, out = list[Origin](), list[Item]()
        last = parameters.keep == "last"
        for index in reversed(range(len(items))) if last else range(len(items)):
            item = items[index]
            key = tuple(identity(read(item, f)) for f in parameters.fields) if parameters.fields else (identity(item),)
            if key not in seen:
                seen.add(key)
                kept.append(index)
                out.append(item)
        if last:
            kept.reverse()
            out.reverse()
        return NodeResult({"main": out}, {"main": compact(kept, len(items))})
