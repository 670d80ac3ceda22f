"""Decides which nodes a rerun runs again and which outputs it keeps. Pure: graphs, and the progress of the nodes.

A rerun runs the chosen node, changed nodes, unfinished nodes, and everything downstream of these; a cycle runs as a
whole. All other outputs are kept. With edited input the chosen node starts with that input, and no node upstream of it
runs again: its output is kept, or the node is left out if there is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from executions.domain.graph import Graph, Node

IRRELEVANT_FIELDS = {"name", "position", "retry", "timeout", "cache"}
"""The fields of a node that do not affect an existing output. All other fields do, including future ones."""


@dataclass(frozen=True, slots=True)
class RerunProgress:
    """The progress of a node: whether it ran, and whether each of its runs has an output or was skipped."""

    ran: bool
    finished: bool


@dataclass(frozen=True, slots=True)
class RerunScope:
    """What happens to each node in a rerun. Nodes in none of the sets run if items reach them."""

    again: frozenset[str]
    kept: frozenset[str]
    left_out: frozenset[str]
    seeds: frozenset[str]
    """The nodes of `again` that cause the others to run again."""


def scope(
    graph: Graph,
    progress: Mapping[str, RerunProgress],
    chosen: Iterable[str],
    changed: Iterable[str],
    *,
    with_input: bool,
) -> RerunScope:
    """Return the scope of a rerun of `graph`; `progress` is that of the original execution."""
    chosen = frozenset(chosen)
    unfinished = {
        node_id for node_id, node_progress in progress.items() if node_id in graph.nodes and not node_progress.finished
    }
    invalidated = frozenset(changed) | unfinished
    before = _upstream(graph, chosen) if with_input else frozenset()
    seeds = chosen | (invalidated - before)
    again = _with_downstream(graph, seeds)
    discarded = again | _with_downstream(graph, invalidated)
    kept = frozenset(node_id for node_id in progress if node_id in graph.nodes and node_id not in discarded)
    return RerunScope(again, kept, before - kept - again, seeds)


def changed_nodes(old: Graph, new: Graph, *, vars_changed: bool = False) -> frozenset[str]:
    """Return the nodes of `new` that are missing or different in `old`, or whose incoming edges differ."""
    return frozenset(
        node_id
        for node_id, node in new.nodes.items()
        if node_id not in old.nodes
        or _relevant_fields(old.nodes[node_id]) != _relevant_fields(node)
        or set(old.edges_into(node_id)) != set(new.edges_into(node_id))
        or (vars_changed and "$vars" in json.dumps(node.parameters))
    )


def still_replaced(graph: Graph, rerun: RerunScope, replaced: Iterable[str]) -> set[str]:
    """Return the nodes with edited input that receive that input again.

    Nodes downstream of a node that runs again receive its output instead. The nodes of a cycle count as one.
    """
    of = graph.components.of
    behind = graph.components.behind({of[seed] for seed in rerun.seeds})
    return {
        node_id
        for node_id in replaced
        if node_id in rerun.kept or (node_id in rerun.again and of[node_id] not in behind)
    }


def enters_cycle_elsewhere(graph: Graph, node_id: str) -> bool:
    """Return whether the node is inside a cycle and has no edge from outside, so that it cannot receive other items."""
    components = graph.components
    component = components.of[node_id]
    return components.cyclic[component] and all(graph.leads_back(edge) for edge in graph.edges_into(node_id))


def _relevant_fields(node: Node) -> dict[str, Any]:
    return node.model_dump(exclude=IRRELEVANT_FIELDS)


def _upstream(graph: Graph, chosen: frozenset[str]) -> frozenset[str]:
    """Return the nodes upstream of a chosen node that are not also downstream of it."""
    return graph.before(chosen) - _with_downstream(graph, chosen)


def _with_downstream(graph: Graph, nodes: Iterable[str]) -> frozenset[str]:
    nodes = frozenset(nodes)
    return nodes | graph.behind(nodes)
