from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.conditions import problems_in, truthy


class ConditionParameters(Parameters):
    condition: Any = Field(
        title="Condition",
        description="An expression that is evaluated for each item, for example {{ $json.amount > 100 }}. The text"
        ' "false" counts as false.',
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

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter, and for a condition that is always true."""
        return [*super().check_parameters(parameters), *problems_in(parameters)]
