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
        "append", title="Mode", description="One after the other, or items joined by position or by a field."
    )
    key: str | None = Field(None, title="Key", description="The field that joined items share (by_key).")


class Merge(NodeType[MergeParameters]):
    type = "merge"
    label = "Merge"
    description = "Waits for its inputs and makes one list of them."
    icon = "merge"
    category = "flow"
    Parameters = MergeParameters
    computes = True
    inputs = None
    join = True

    def passes_on(self, parameters: Mapping[str, Any]) -> bool:
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
            raise NodeError("parameters.key: by_key needs the field to join by.")
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
    """Join the items that share a value of `key`, in order of first appearance; items without it stand alone."""
    groups: dict[str, dict[str, Any]] = {}
    for source, items in enumerate(lists):
        for index, item in enumerate(items):
            value = json.dumps(item[key], sort_keys=True) if key in item else f"alone {source} {index}"
            groups.setdefault(value, {}).update(item)
    return list(groups.values())
