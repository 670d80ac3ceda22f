from __future__ import annotations

from typing import Any

from pydantic import Field

from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters


class ConditionParameters(Parameters):
    condition: Any = Field(
        title="Condition",
        description="An expression that is evaluated for each item, for example {{ $json.amount > 100 }}",
    )


class If(ItemNodeType[ConditionParameters]):
    type = "if"
    label = "If"
    description = "Sends each item to `true` or `false`."
    icon = "branch"
    category = "flow"
    Parameters = ConditionParameters
    computes = True
    outputs = ("true", "false")

    def run_item(self, context: NodeContext[ConditionParameters], index: int, item: Item) -> dict[str, Items]:
        return {"true" if truthy(context.parameters(index).condition) else "false": [item]}


def truthy(value: Any) -> bool:
    """Return whether JavaScript treats a JSON value as true; empty lists and objects are."""
    return True if isinstance(value, list | dict) else bool(value)
