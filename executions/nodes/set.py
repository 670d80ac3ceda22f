from __future__ import annotations

from typing import Any

from pydantic import Field

from executions.domain.binaries import keeping_files
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.paths import with_value

MAX_PATH = 500


class SetParameters(Parameters):
    fields: dict[str, Any] = Field(
        {},
        title="Fields",
        description="The names and values of the fields. A name may be a path such as customer.name. A value may be an"
        " expression.",
    )
    keep_other_fields: bool = Field(
        True,
        title="Keep other fields",
        description="Keep the other fields of the item. If off, return only the fields above, and its files.",
    )
    dot_notation: bool = Field(
        True,
        title="Dot notation",
        description="Whether a.b means the field b of the object a. If off, it is the name of a field.",
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
        kept, fields = item if parameters.keep_other_fields else {}, parameters.fields
        if not parameters.dot_notation or not any("." in name for name in fields):
            return {"main": [keeping_files(kept | fields, item)]}
        for name, value in fields.items():
            kept = _with_field(kept, name, value, index)
        return {"main": [keeping_files(kept, item)]}


def _with_field(item: Item, name: str, value: Any, index: int) -> Item:
    """Return the item with the field at a path. A name such as `Nr.` or `...`, with an empty part, is no path."""
    if not all(name.split(".")):
        return item | {name: value}
    if "." in name and len(name) > MAX_PATH:
        shown = f"{name[:100]}…"
        raise NodeError(f"parameters.fields: {shown!r} is a path of {len(name)} characters; the limit is {MAX_PATH}.")
    try:
        return with_value(item, name, value)
    except NodeError as error:
        raise NodeError(f"parameters.fields: {str(error).removesuffix('.')} (item {index}).") from None
