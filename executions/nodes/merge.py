from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from executions.domain.errors import NodeError
from executions.domain.expressions import BudgetExceeded
from executions.domain.items import Item, Items, joined
from executions.domain.lineage import SAME, Origins, compact
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.comparing import identity, number
from executions.nodes.joins import Join, JoinTable, Key, TooManyPairs, by_key, by_position, grouped
from executions.nodes.paths import MISSING, FieldPath, as_field, read

MAX_ITEMS = 1_000_000
INLINE_ITEMS = 2_000
_LONGEST_NUMBER = 18


class MergeKey(Parameters):
    field: FieldPath = Field(title="Field", description="A field name, or a path such as customer.id.")
    field_2: FieldPath | None = Field(
        None, title="Field in input 2", description="The field in the other inputs, if its name differs."
    )


class MergeParameters(Parameters):
    mode: Literal["append", "by_position", "by_key"] = Field(
        "append",
        title="Mode",
        description="Append the items of all inputs, or join items by position or by key. Of two fields with the same"
        " name, a joined item has the one of the later input.",
    )
    key: str | None = Field(
        None, title="Key", description="For by_key: the field or path that matching items share.", max_length=500
    )
    keys: list[Annotated[MergeKey, BeforeValidator(as_field)]] = Field(
        [],
        title="Keys",
        description="For by_key: several fields, which must all be equal, or fields whose names differ.",
        max_length=20,
    )
    join: Join = Field(
        "outer",
        title="Join",
        description="Which items to return: outer: pairs, and the items of all inputs that match nothing. left: pairs,"
        " and the items of the first input that match nothing. inner: pairs only. anti: only the items of the first"
        " input that match nothing.",
    )
    numeric_text: bool = Field(
        False, title="Numeric text", description='For by_key: let the text "1" match the number 1.'
    )


class Merge(NodeType[MergeParameters]):
    """by_key returns an item for each combination of items with equal keys. Null and missing keys match nothing. Items
    of one input never match each other, unless all came to the input `main`: then items with equal keys become one."""

    type = "merge"
    label = "Merge"
    description = "Waits for its inputs and combines their items."
    icon = "merge"
    category = "flow"
    Parameters = MergeParameters
    computes = True
    inputs = None
    join = True

    def passes_through(self, parameters: Mapping[str, Any]) -> bool:
        return bool(parameters.get("mode", "append") == "append")

    def run(self, context: NodeContext[MergeParameters]) -> NodeResult:
        parameters = context.parameters()
        names = sorted(context.inputs, key=_natural)
        if not names:
            return NodeResult({"main": []})
        if parameters.mode == "append":
            merged: Items = joined([context.inputs[name] for name in names])
            return NodeResult({"main": merged}, {"main": _appended(context.inputs, names)})
        firsts = _first_numbers(context.inputs)
        if parameters.mode == "by_position":
            tables = [JoinTable.of(context.inputs[name], firsts[name], lambda item: None) for name in names]
            return _result(by_position(tables, parameters.join), context)
        makers = _key_makers(parameters)
        tables = [
            JoinTable.of(context.inputs[name], firsts[name], makers[min(place, 1)]) for place, name in enumerate(names)
        ]
        if names == ["main"]:
            return _result(_of_one_input(tables[0], parameters.join), context)
        limit = INLINE_ITEMS if context.inline else MAX_ITEMS
        try:
            return _result(by_key(tables, parameters.join, limit), context)
        except TooManyPairs as error:
            if context.inline and error.count <= MAX_ITEMS:
                raise BudgetExceeded(BudgetExceeded.__doc__) from None
            raise NodeError(
                f"{error}; the limit is {MAX_ITEMS}. Many items share a key; add a field to keys."
            ) from None

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter, and for by_key without a key."""
        problems = super().check_parameters(parameters)
        if parameters.get("mode") == "by_key" and not parameters.get("key") and not parameters.get("keys"):
            problems.append(("parameters.key", "missing", _NO_KEY))
        return problems

    def cache_key(self, context: NodeContext[Any]) -> Any:
        """Return the parameters, and the order of the inputs, which numbers the origins."""
        return [super().cache_key(context), list(context.inputs)]


_NO_KEY = "The mode by_key needs a field in `key`, or fields in `keys`."


def _natural(name: str) -> tuple[int, str]:
    digits = "".join(c for c in name if c.isdecimal())[:_LONGEST_NUMBER]
    return (int(digits) if digits else 0, name)


def _first_numbers(inputs: Mapping[str, Items]) -> dict[str, int]:
    """Return the number of each input's first item: they are counted over the inputs in their order."""
    firsts, count = dict[str, int](), 0
    for name, items in inputs.items():
        firsts[name] = count
        count += len(items)
    return firsts


def _appended(inputs: Mapping[str, Items], names: list[str]) -> Origins:
    if [name for name in names if inputs[name]] == [name for name, items in inputs.items() if items]:
        return SAME
    firsts = _first_numbers(inputs)
    numbers = [n for name in names for n in range(firsts[name], firsts[name] + len(inputs[name]))]
    return compact(list(numbers), len(numbers))


def _result(table: JoinTable, context: NodeContext[MergeParameters]) -> NodeResult:
    count = sum(map(len, context.inputs.values()))
    return NodeResult({"main": table.items}, {"main": compact(table.origins, count)})


def _of_one_input(table: JoinTable, join: Join) -> JoinTable:
    """Join items whose sources cannot be told apart. Raises NodeError."""
    if join != "outer":
        raise NodeError(
            f"parameters.join: {join!r} needs two inputs, but all items came to the input main. Connect the"
            " edges to input1 and input2."
        )
    return grouped(table)


def _key_makers(parameters: MergeParameters) -> tuple[Callable[[Item], Key], Callable[[Item], Key]]:
    """Return the functions that make the key of an item of the first input, and of the others. Raises NodeError."""
    keys = ([MergeKey(field=parameters.key)] if parameters.key else []) + parameters.keys
    if not keys:
        raise NodeError(f"parameters.key: {_NO_KEY}")
    numeric_text = parameters.numeric_text
    first, other = [key.field for key in keys], [key.field_2 or key.field for key in keys]
    return (lambda item: _key(item, first, numeric_text)), (lambda item: _key(item, other, numeric_text))


def _key(item: Item, fields: list[str], numeric_text: bool) -> Key:
    values = []
    for field in fields:
        value = read(item, field)
        if value is MISSING or value is None:
            return None
        if numeric_text and isinstance(value, str) and (parsed := number(value)) is not None:
            value = parsed
        values.append(identity(value))
    return tuple(values)
