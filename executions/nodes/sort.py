from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from executions.domain.lineage import compact
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.comparing import natural, number, text
from executions.nodes.paths import MISSING, FieldPath, read

CompareAs = Literal["automatic", "numeric", "text", "natural"]


class SortField(Parameters):
    field: FieldPath = Field(title="Field", description="A field name, or a path such as customer.name.")
    direction: Literal["ascending", "descending"] = Field("ascending", title="Direction")
    compare_as: CompareAs = Field(
        "automatic",
        title="Compare as",
        description="automatic: false, true, numbers, text, then all others. natural: a2 before a10. numeric: also"
        " numeric text; other values count as missing.",
    )


class SortParameters(Parameters):
    fields: list[SortField] = Field(
        title="Fields",
        description="Items are sorted by the first field, then by the next. Items without a value come last.",
        min_length=1,
        max_length=10,
    )
    case_sensitive: bool = Field(
        False, title="Case-sensitive", description="Sort upper case before lower case: B before a."
    )


class Sort(NodeType[SortParameters]):
    type = "sort"
    label = "Sort"
    description = "Sorts the items by one or more fields. Equal items keep their order."
    icon = "sort"
    category = "data"
    Parameters = SortParameters
    computes = True

    def run(self, context: NodeContext[SortParameters]) -> NodeResult:
        parameters = context.parameters()
        items = list(context.items)
        order = list(range(len(items)))
        for by in reversed(parameters.fields):  # the sort is stable, so the first field is sorted last
            descending = by.direction == "descending"
            keys = [*map(_key(by, descending, parameters.case_sensitive), items)]
            order.sort(key=keys.__getitem__, reverse=descending)
        return NodeResult({"main": [items[index] for index in order]}, {"main": compact([*order], len(items))})


def _key(by: SortField, descending: bool, case_sensitive: bool) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    present, missing = (1, 0) if descending else (0, 1)

    def key(item: dict[str, Any]) -> tuple[Any, ...]:
        value = read(item, by.field)
        sort_key = None if value is MISSING or value is None else _comparable(value, by.compare_as, case_sensitive)
        return (missing,) if sort_key is None else (present, sort_key)

    return key


def _comparable(value: Any, compare_as: CompareAs, case_sensitive: bool) -> Any:
    """Return the sort key of a value, or None if it counts as missing."""
    if compare_as == "numeric":
        return number(value)
    if compare_as == "automatic":
        if isinstance(value, bool):
            return (0, value)
        if isinstance(value, int | float):
            return (1, value)
    folded = text(value) if case_sensitive else text(value).casefold()
    if compare_as == "natural":
        return natural(folded)
    return folded if compare_as == "text" else (2 if isinstance(value, str) else 3, folded)
