from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.domain.lineage import of_all
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.paths import MISSING, FieldPath, as_field, read, with_value

MAX_FIELDS = 50


class AggregateField(Parameters):
    field: FieldPath = Field(title="Field", description="A field to collect, or a path such as customer.name.")
    into: FieldPath | None = Field(None, title="Into", description="The field for the list. Defaults to Field.")


class AggregateParameters(Parameters):
    field: str | None = Field(
        None,
        title="Field",
        description="The field to collect, or a path such as customer.name. If empty, whole items are collected.",
        max_length=500,
    )
    into: str | None = Field(
        None, title="Into", description="The field for the list. Defaults to Field, or items.", max_length=500
    )
    fields: list[Annotated[AggregateField, BeforeValidator(as_field)]] = Field(
        [], title="Fields", description="More fields to collect, each into a list of its own.", max_length=MAX_FIELDS
    )
    keep_missing: bool = Field(
        True,
        title="Keep missing",
        description="Put null for items without the field, so that all lists are equally long. If off, null and missing"
        " values are left out.",
    )
    merge_lists: bool = Field(
        False, title="Merge lists", description="Collect the elements of values that are lists, instead of the lists."
    )


class Aggregate(NodeType[AggregateParameters]):
    type = "aggregate"
    label = "Aggregate"
    description = "Combines all items into one item that contains a list."
    icon = "stack"
    category = "data"
    Parameters = AggregateParameters
    computes = True

    def run(self, context: NodeContext[AggregateParameters]) -> NodeResult:
        parameters, items = context.parameters(), list(context.items)
        out: Item = {}
        if not parameters.fields and not parameters.field:
            out = with_value(out, parameters.into or "items", items)
        for field, into in _fields(parameters):
            name = into or field
            if name in out:
                raise NodeError(f"parameters.fields: two lists would have the name {name!r}. Set into.")
            values = _values(items, field, parameters)
            is_plain = into is None and any(field in item for item in items)  # a name with a dot, and no path
            out = {**out, name: values} if is_plain else with_value(out, name, values)
        return NodeResult({"main": [out]}, {"main": of_all(len(items))})


def _fields(parameters: AggregateParameters) -> list[tuple[str, str | None]]:
    first = [(parameters.field, parameters.into or None)] if parameters.field else []
    return first + [(each.field, each.into) for each in parameters.fields]


def _values(items: Items, field: str, parameters: AggregateParameters) -> list[Any]:
    values = [None if (value := read(item, field)) is MISSING else value for item in items]
    if parameters.merge_lists:
        values = [element for value in values for element in (value if isinstance(value, list) else [value])]
    return values if parameters.keep_missing else [value for value in values if value is not None]
