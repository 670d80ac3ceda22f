from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.domain.lineage import Origin, compact
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.comparing import identity, number, text
from executions.nodes.paths import MISSING, FieldPath, read, with_value

MAX_TEXT = 1_000_000
_INT64 = 2**63

Operation = Literal[
    "count", "count_unique", "sum", "average", "min", "max", "first", "last", "concatenate", "append"
]  # fmt: skip


class SummaryField(Parameters):
    operation: Operation = Field("count", title="Operation", description="Null and missing values are ignored.")
    field: FieldPath | None = Field(None, title="Field", description="The field to summarize. Optional for count.")
    into: FieldPath | None = Field(
        None, title="Into", description="The field for the result. Defaults to a name such as sum_amount."
    )
    separator: str = Field(
        ", ", title="Separator", description="For concatenate: the text between values.", max_length=100
    )


class SummarizeParameters(Parameters):
    summaries: list[SummaryField] = Field(title="Summaries", min_length=1, max_length=50)
    group_by: list[FieldPath] = Field(
        [],
        title="Group by",
        description="Return one item per combination of values. If empty, return one item.",
        max_length=20,
    )


class Summarize(NodeType[SummarizeParameters]):
    type = "summarize"
    label = "Summarize"
    description = "Counts, sums, averages or joins values of a field, for each group of items."
    icon = "sigma"
    category = "data"
    Parameters = SummarizeParameters
    computes = True

    def run(self, context: NodeContext[SummarizeParameters]) -> NodeResult:
        parameters = context.parameters()
        for index, summary in enumerate(parameters.summaries):
            if summary.field is None and summary.operation != "count":
                raise NodeError(f"parameters.summaries.{index}.field: {summary.operation} needs a field.")
        out, origins = list[Item](), list[Origin]()
        for places in _groups(context.items, parameters.group_by):
            items = [context.items[place] for place in places]
            result: dict[str, Any] = {}
            for path in parameters.group_by:
                result = with_value(result, path, _value(items[0], path))
            for index, summary in enumerate(parameters.summaries):
                name = summary.into or "_".join(filter(None, [summary.operation, summary.field])).replace(".", "_")
                result = with_value(result, name, _summarized(summary, index, items))
            out.append(result)
            origins.append(places)
        return NodeResult({"main": out}, {"main": compact(origins, len(context.items))})


def _groups(items: Items, paths: list[str]) -> list[list[int]]:
    """Return the places of the items of each group, in order of first appearance. Without paths, all items are one
    group."""
    if not paths:
        return [list(range(len(items)))]
    groups: dict[tuple[bytes, ...], list[int]] = {}
    for place, item in enumerate(items):
        groups.setdefault(tuple(identity(_value(item, path)) for path in paths), []).append(place)
    return list(groups.values())


def _value(item: dict[str, Any], path: str) -> Any:
    return None if (value := read(item, path)) is MISSING else value


def _summarized(summary: SummaryField, index: int, items: Items) -> Any:
    if summary.field is None:
        return len(items)
    values = [value for item in items if (value := _value(item, summary.field)) is not None]
    try:
        return (
            joined(values, summary.separator)
            if summary.operation == "concatenate"
            else _OPERATIONS[summary.operation](values)
        )
    except ValueError as error:
        raise NodeError(f"parameters.summaries.{index}.field: {summary.field!r} {error}") from None


def _numbers(values: list[Any]) -> list[int | float]:
    numbers = []
    for value in values:
        if (parsed := number(value)) is None:
            raise ValueError(f"contains {text(value)[:100]}, which is not a number.")
        numbers.append(parsed)
    return numbers


def total(values: list[Any]) -> int | float:
    """Return the sum: exact for integers of 64 bits, else rounded once. Raises ValueError."""
    numbers = _numbers(values)
    if all(isinstance(one, int) for one in numbers) and abs(whole := sum(numbers)) < _INT64:
        return whole
    try:
        return math.fsum(numbers)
    except OverflowError:
        raise ValueError("has a sum that is too large for a number.") from None


def _average(values: list[Any]) -> float | None:
    return total(values) / len(values) if values else None


def _ordered(values: list[Any], choose: Callable[..., Any]) -> Any:
    if all(isinstance(value, str) for value in values) and any(number(value) is None for value in values):
        return choose(values)  # text by code point, which also orders ISO dates
    numbers = _numbers(values)
    return choose(numbers) if numbers else None


def joined(values: list[Any], separator: str) -> str:
    """Join the values to one text. Raises ValueError if it is too long."""
    parts = [text(value) for value in values]
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_TEXT:
        raise ValueError(f"results in a text of more than {MAX_TEXT} characters, the limit.")
    return separator.join(parts)


_OPERATIONS: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "count_unique": lambda values: len({identity(value) for value in values}),
    "sum": total,
    "average": _average,
    "min": lambda values: _ordered(values, min),
    "max": lambda values: _ordered(values, max),
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "append": lambda values: values,
}
