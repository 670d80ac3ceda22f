from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from executions.domain.items import Item, Items
from executions.domain.lineage import Origin, compact
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.comparing import identity
from executions.nodes.paths import MISSING, FieldPath, read


class KeyField(Parameters):
    field: FieldPath = Field(title="Field", description="A field whose value identifies matching items.")
    field_2: FieldPath | None = Field(
        None, title="Field in input 2", description="The name of the field in input 2, if different."
    )


class CompareParameters(Parameters):
    key: list[KeyField] = Field(
        title="Key", description="Items match if all of these fields are equal.", min_length=1, max_length=20
    )
    ignore: list[FieldPath] = Field(
        [], title="Ignore", description="Top-level fields to ignore when comparing.", max_length=200
    )


class Compare(NodeType[CompareParameters]):
    """Each item of an input goes to exactly one output. Items with the same key are matched one to one, in order; an
    item without a key field matches none."""

    type = "compare"
    label = "Compare"
    description = "Compares the items of two inputs by key: only in input 1, the same, different, or only in input 2."
    icon = "compare"
    category = "flow"
    Parameters = CompareParameters
    inputs = ("input1", "input2")
    outputs = ("only_1", "same", "different", "only_2")
    join = True
    computes = True

    def run(self, context: NodeContext[CompareParameters]) -> NodeResult:
        parameters = context.parameters()
        fields = [by.field for by in parameters.key]
        other_fields = [by.field_2 or by.field for by in parameters.key]
        renamed = {other for one, other in zip(fields, other_fields, strict=True) if one != other}
        ignored = frozenset(parameters.ignore) | renamed | (set(fields) if renamed else set())
        unmatched: dict[tuple[bytes, ...], deque[int]] = defaultdict(deque)
        second = context.inputs.get("input2", [])
        begins = _begins(context.inputs)
        for index, item in enumerate(second):
            if (key := _key(item, other_fields)) is not None:
                unmatched[key].append(index)
        outputs: dict[str, list[Item]] = {name: [] for name in self.outputs}
        origins: dict[str, list[Origin]] = {name: [] for name in self.outputs}
        matched: set[int] = set()
        for number, item in enumerate(context.inputs.get("input1", []), begins["input1"]):
            key = _key(item, fields)
            if key is None or not unmatched.get(key):
                outputs["only_1"].append(item)
                origins["only_1"].append(number)
                continue
            index = unmatched[key].popleft()
            matched.add(index)
            if differing := _differing(item, second[index], ignored):
                name, out = "different", {"input1": item, "input2": second[index], "different": differing}
            else:
                name, out = "same", item
            outputs[name].append(out)
            origins[name].append([number, begins["input2"] + index])
        for index, item in enumerate(second):
            if index not in matched:
                outputs["only_2"].append(item)
                origins["only_2"].append(begins["input2"] + index)
        count = sum(map(len, context.inputs.values()))
        return NodeResult(outputs, {name: compact(numbers, count) for name, numbers in origins.items()})


def _begins(inputs: Mapping[str, Items]) -> dict[str, int]:
    """Return the number of the first item of each input."""
    begins, number = {"input1": 0, "input2": 0}, 0
    for name, items in inputs.items():
        begins[name], number = number, number + len(items)
    return begins


def _key(item: dict[str, Any], fields: list[str]) -> tuple[bytes, ...] | None:
    values = [read(item, field) for field in fields]
    return None if MISSING in values else tuple(identity(value) for value in values)


def _differing(one: dict[str, Any], other: dict[str, Any], ignored: frozenset[str]) -> list[str]:
    """Return the top-level fields in which two items differ."""
    names = dict.fromkeys([*one, *other])
    return [
        name
        for name in names
        if name not in ignored and identity(one.get(name, MISSING)) != identity(other.get(name, MISSING))
    ]
