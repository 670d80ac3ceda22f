from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.items import Items, joined
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters


class MergeParameters(Parameters):
    mode: Literal["append", "by_position", "by_key"] = Field(
        "append", title="Mode", description="Append the items of all inputs, or join items by position or by a field."
    )
    key: str | None = Field(None, title="Key", description="For by_key: the field that matching items share.")


class Merge(NodeType[MergeParameters]):
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
        lists = [items for _, items in sorted(context.inputs.items(), key=lambda pair: _natural(pair[0]))]
        merged: Items
        if parameters.mode == "append":
            merged = joined(lists)
        elif parameters.mode == "by_position":
            merged = [_join(items[i] for items in lists if i < len(items)) for i in range(max(map(len, lists)))]
        elif parameters.key:
            merged = _by_key(lists, parameters.key)
        else:
            raise NodeError("parameters.key: the mode by_key needs a field.")
        return NodeResult({"main": merged})


def _natural(name: str) -> tuple[int, str]:
    digits = "".join(c for c in name if c.isdigit())
    return (int(digits) if digits else 0, name)


def _join(items: Any) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for item in items:
        joined |= item
    return joined


def _by_key(lists: Sequence[Items], key: str) -> Items:
    """Join the items that share a value of `key`, in order of first appearance; items without it are not joined."""
    groups: dict[str, dict[str, Any]] = {}
    for source, items in enumerate(lists):
        for index, item in enumerate(items):
            value = json.dumps(item[key], sort_keys=True) if key in item else f"alone {source} {index}"
            groups.setdefault(value, {}).update(item)
    return list(groups.values())
