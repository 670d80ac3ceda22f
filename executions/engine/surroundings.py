"""What expressions can ask about the node run that they are in, beside its items."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from executions.domain.graph import Node
from executions.engine.definition import Definition
from executions.engine.flow import Ready


def of_node_run(definition: Definition, ready: Ready, executed: Collection[str]) -> dict[str, Any]:
    """Return the `surroundings` of an `ExpressionScope`. `executed` are the ids of the nodes that have an output."""
    return {
        "timezone": definition.timezone,
        "about": partial(_about, definition, ready, executed),
        "names": definition.graph.names,
    }


def _about(definition: Definition, ready: Ready, executed: Collection[str], source: str) -> dict[str, Any]:
    """Return what `$runIndex`, `$("X").isExecuted` and others are, for the nodes that `source` may name."""
    nodes = definition.graph.nodes
    named = [node for node in nodes.values() if node.id in source or node.label in source]
    return {
        "runIndex": ready.run_index,
        "prevNode": _previous(definition, ready),
        "node": _described(nodes[ready.node_id], definition),
        "nodes": {
            name: _described(node, definition) | {"isExecuted": node.id in executed}
            for node in named
            for name in (node.id, node.label)
        },
    }


def _described(node: Node, definition: Definition) -> dict[str, Any]:
    node_type = definition.types[node.id]
    return {"id": node.id, "name": node.label, "version": node_type.version, "params": node.parameters}


def _previous(definition: Definition, ready: Ready) -> dict[str, Any] | None:
    """Return where the items came from: of several inputs, the first."""
    if not ready.flows:
        return None
    flow = ready.flows[0]
    source = definition.graph.nodes[flow.source[0]]
    outputs = definition.types[source.id].output_names(source.parameters)
    index = outputs.index(flow.output) if flow.output in outputs else 0
    return {"name": source.label, "outputIndex": index, "runIndex": flow.source[1]}
