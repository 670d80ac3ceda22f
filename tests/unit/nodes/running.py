from __future__ import annotations

from typing import Any

from executions.domain.expressions import Evaluator, ExpressionScope
from executions.domain.graph import Node
from executions.domain.items import Items
from executions.nodes.base import NodeContext, NodeResult, NodeType
from executions.nodes.registry import node_types
from tests.filing import HeldFiles


def run(type_: str, *items: dict[str, Any], inputs: dict[str, Items] | None = None, **parameters: Any) -> NodeResult:
    """Run a node of a type over items, as the engine does."""
    return run_in_context(type_, inputs or {"main": list(items)}, {}, **parameters)


def run_in_context(type_: str, inputs: dict[str, Items], context: dict[str, Any], /, **parameters: Any) -> NodeResult:
    node_type = node_types()[type_]
    return node_type.perform(context_of(node_type, inputs, parameters, **context))


def context_of(
    node_type: NodeType[Any], inputs: dict[str, Items], parameters: dict[str, Any], **context: Any
) -> NodeContext[Any]:
    items = inputs.get("main") or next(iter(inputs.values()), [])
    scope = ExpressionScope(items, {}, {"id": "e", "trigger": "manual"}, {"id": "w", "name": "W"}, {})
    given = {
        "node": Node(id="node", name="Node", type=node_type.type, parameters=parameters),
        "parameters_type": node_type.Parameters,
        "inputs": inputs,
        "evaluator": Evaluator(scope),
        "idempotency_key": "execution/node/0",
        "log": lambda level, message: None,
        "files": HeldFiles(),
    }
    return NodeContext(**given | context)
