"""Which outputs of a workflow make the result of an execution. Pure.

The last nodes are those from which no edge leads on. An edge of an `error` output does not count: what follows it
handles failures. In a loop that nothing follows, all nodes are last, and the result is what leaves by their outputs
without an edge. Items at other free outputs, such as the `false` of an `if` whose `true` goes on, were left out by the
workflow and are no result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from executions.domain.components import Components
from executions.domain.graph import ERROR_OUTPUT, Edge, Graph, Node

FinalOutputs = dict[str, tuple[str, ...]]
"""For each last node, in the order of the workflow's nodes, the outputs that make the result, in their order."""


def final_outputs(graph: Graph, output_names: Callable[[Node], Sequence[str]]) -> FinalOutputs:
    """Return the outputs whose items, of all runs of their nodes, are the result of an execution that completes.
    `output_names` returns the outputs of a node, without the one that `on_error` adds."""
    onward = {node_id: [e for e in graph.edges_from(node_id) if not _is_error(graph, e)] for node_id in graph.nodes}
    components = Components({node_id: [edge.target for edge in edges] for node_id, edges in onward.items()})
    final = FinalOutputs()
    for node in graph.nodes.values():
        if not components.successors[components.of[node.id]]:
            taken = {edge.source_output for edge in onward[node.id]}
            names = ("main",) if node.disabled else output_names(node)
            final[node.id] = tuple(name for name in names if name not in taken)
    return final


def _is_error(graph: Graph, edge: Edge) -> bool:
    return edge.source_output == ERROR_OUTPUT and graph.nodes[edge.source].on_error == "route"
