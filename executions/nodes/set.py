from __future__ import annotations

from typing import Any

from pydantic import Field

from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters


class SetParameters(Parameters):
    fields: dict[str, Any] = Field(
        {}, title="Fields", description="The names and values of the fields. A value may be an expression."
    )
    keep_other_fields: bool = Field(
        True,
        title="Keep other fields",
        description="Keep the other fields of the item. If off, return only the fields above.",
    )


class Set(ItemNodeType[SetParameters]):
    type = "set"
    label = "Set fields"
    description = "Adds or changes fields of each item."
    icon = "pencil"
    category = "data"
    Parameters = SetParameters
    computes = True

    def run_item(self, context: NodeContext[SetParameters], index: int, item: Item) -> dict[str, Items]:
        parameters = context.parameters(index)
        return {"main": [(item if parameters.keep_other_fields else {}) | parameters.fields]}
