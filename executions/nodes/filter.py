from __future__ import annotations

from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext
from executions.nodes.if_ import ConditionParameters, truthy


class Filter(ItemNodeType[ConditionParameters]):
    type = "filter"
    label = "Filter"
    description = "Keeps the items that meet a condition."
    icon = "funnel"
    category = "data"
    Parameters = ConditionParameters
    computes = True

    def run_item(self, context: NodeContext[ConditionParameters], index: int, item: Item) -> dict[str, Items]:
        return {"main": [item]} if truthy(context.parameters(index).condition) else {}
