"""A node type with a bug. It can be imported in a sandbox process."""

from __future__ import annotations

from typing import Any

from executions.nodes.base import NodeContext, NodeResult, NodeType


class Broken(NodeType[Any]):
    type = "broken"

    def run(self, context: NodeContext[Any]) -> NodeResult:
        raise ZeroDivisionError
