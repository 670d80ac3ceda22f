from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from executions.domain.binaries import BINARY
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.paths import MISSING, FieldPath, as_field, read, with_value, without

MAX_FIELDS = 50


class SplitField(Parameters):
    field: FieldPath = Field(title="Field", description="A field with a list, or a path such as data.items.")
    into: FieldPath | None = Field(
        None, title="Into", description="The field for each element. Defaults to the name of the list."
    )


class SplitOutParameters(Parameters):
    field: FieldPath | None = Field(
        None, title="Field", description="The field that contains a list, or a path such as data.items."
    )
    into: FieldPath | None = Field(
        None,
        title="Into",
        description="The field for each element. If empty, an element that is an object becomes the item, and any other"
        " element keeps the name of the list.",
    )
    fields: list[Annotated[SplitField, BeforeValidator(as_field)]] = Field(
        [],
        title="Fields",
        description="More lists to split: item n has element n of each. A shorter list gives no value to the last"
        " items.",
        max_length=MAX_FIELDS,
    )
    keep_other_fields: bool = Field(
        False, title="Keep other fields", description="Copy the other fields of the item to each new item."
    )


class SplitOut(ItemNodeType[SplitOutParameters]):
    """The values of an object are split like the elements of a list. Any other value, null included, is one element. A
    missing field gives nothing, and a line in the log."""

    type = "split_out"
    label = "Split out"
    description = "Creates one item for each element of a list, or each value of an object."
    icon = "split"
    category = "data"
    Parameters = SplitOutParameters
    computes = True

    @contextmanager
    def opened(self, context: NodeContext[SplitOutParameters]) -> Iterator[list[int]]:
        missing: list[int] = []
        yield missing
        if missing:
            names = ", ".join(repr(field.field) for field in _fields(context.parameters(missing[0])))
            context.log("warning", f"{names} is missing in {len(missing)} items, the first of them item {missing[0]}.")

    def run_item(self, context: NodeContext[SplitOutParameters], index: int, item: Item) -> dict[str, Items]:
        parameters = context.parameters(index)
        fields = _fields(parameters)
        if not fields:
            raise NodeError("parameters.field: enter the field that contains a list.")
        if all(read(item, field.field) is MISSING for field in fields):
            context.shared.append(index)
            return {}
        try:
            return {"main": _split(item, fields, parameters.keep_other_fields)}
        except NodeError as error:
            raise NodeError(f"parameters.fields: {str(error).removesuffix('.')} (item {index}).") from None

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter, and for a field that is missing."""
        problems = super().check_parameters(parameters)
        if not parameters.get("field") and not parameters.get("fields"):
            problems.append(("parameters.field", "missing", "This field is required, or a list in `fields`."))
        return problems


def _fields(parameters: SplitOutParameters) -> list[SplitField]:
    first = [SplitField(field=parameters.field, into=parameters.into)] if parameters.field else []
    return first + parameters.fields


def _split(item: Item, fields: list[SplitField], keep_other_fields: bool) -> list[Item]:
    lists = [_elements(read(item, each.field), each) for each in fields]
    single = fields[0] if len(fields) == 1 and not fields[0].into and not keep_other_fields else None
    rest = item if keep_other_fields else {}
    for each in fields:
        if each.into:
            rest = without(rest, each.field)
    made = list[Item]()
    for values in zip_longest(*lists, fillvalue=MISSING):
        if single is not None and isinstance(values[0], dict):
            made.append(values[0])
            continue
        out = rest
        for each, value in zip(fields, values, strict=True):
            if each.field == BINARY and not each.into:
                out = without(out, BINARY) if value is MISSING else {**out, **value}
            elif value is MISSING:
                out = without(out, each.field)
            elif each.field in item and not each.into:
                out = {**out, each.field: value}  # a name with a dot, and no path
            else:
                out = with_value(out, each.into or each.field, value)
        made.append(out)
    return made


def _elements(value: Any, field: SplitField) -> Sequence[Any]:
    if value is MISSING:
        return []
    if isinstance(value, dict):
        if field.field == BINARY and not field.into:  # each new item has one of the files
            return [{BINARY: {key: file}} for key, file in value.items()]
        return list(value.values())
    return value if isinstance(value, list) else [value]
