from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from pydantic import Field

from executions.domain.items import Item
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.comparing import identity
from executions.nodes.paths import MISSING, FieldPath, read


class KeyField(Parameters):
    field: FieldPath = Field(title="Field", description="A field that tells which items belong together.")
    field_2: FieldPath | None = Field(None, title="Field in input 2", description="Where it has another name there.")


class CompareParameters(Parameters):
    key: list[KeyField] = Field(
        title="Key", description="Items that agree in all of these match.", min_length=1, max_length=20
    )
    ignore: list[FieldPath] = Field(
        [], title="Ignore", description="Top-level fields that do not make items different.", max_length=200
    )


class Compare(NodeType[CompareParameters]):
    """Every item of an input leaves by exactly one output. Items of the same key are matched in their order, one to
    one; an item that lacks a key field matches none."""

    type = "compare"
    label = "Compare"
    description = (
        "Matches the items of two inputs by key: only in 1, the same, different (both, and in what), only in 2."
    )
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
        waiting: dict[tuple[bytes, ...], deque[int]] = defaultdict(deque)
        second = context.inputs.get("input2", [])
        for index, item in enumerate(second):
            if (key := _key(item, other_fields)) is not None:
                waiting[key].append(index)
        outputs: dict[str, list[Item]] = {name: [] for name in self.outputs}
        matched: set[int] = set()
        for item in context.inputs.get("input1", []):
            key = _key(item, fields)
            if key is None or not waiting.get(key):
                outputs["only_1"].append(item)
                continue
            index = waiting[key].popleft()
            matched.add(index)
            if differing := _differing(item, second[index], ignored):
                outputs["different"].append({"input1": item, "input2": second[index], "different": differing})
            else:
                outputs["same"].append(item)
        outputs["only_2"] = [item for index, item in enumerate(second) if index not in matched]
        return NodeResult(outputs)


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
