from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext
from executions.nodes.conditions import problems_in, truthy
from executions.nodes.if_ import ConditionParameters


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

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter, and for a condition that is always true."""
        return [*super().check_parameters(parameters), *problems_in(parameters)]
