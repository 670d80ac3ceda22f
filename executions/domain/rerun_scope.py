"""What a rerun keeps of an execution and what it runs again. Pure: graphs, and how far the nodes got.

Run again are the node that was chosen, what has changed since, what did not finish, and all that lies behind these: a
cycle is one whole. The rest is kept. With edited input the node that was chosen begins with it, so that of what lies
before that node nothing is run again: it is kept, or left out where there is nothing to keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from executions.domain.graph import Graph, Node

NO_MATTER = {"name", "position", "retry", "timeout", "cache"}
"""Fields of a node that change nothing of an output that is there already. All others do, those to come as well."""


@dataclass(frozen=True, slots=True)
class RerunProgress:
    """How far a node got: whether it ran, and whether each of its runs has an output (or was skipped)."""

    ran: bool
    finished: bool


@dataclass(frozen=True, slots=True)
class RerunScope:
    """Nodes by what becomes of them. Those in none of the sets run if something reaches them."""

    again: frozenset[str]
    kept: frozenset[str]
    left_out: frozenset[str]
    seeds: frozenset[str]
    """Those of `again` that are the reason for the others."""


def scope(
    graph: Graph,
    progress: Mapping[str, RerunProgress],
    chosen: Iterable[str],
    changed: Iterable[str],
    *,
    with_input: bool,
) -> RerunScope:
    """Return what becomes of the nodes of `graph`, the one that the rerun runs, where `progress` is the old one's."""
    chosen = frozenset(chosen)
    unfinished = {node_id for node_id, got in progress.items() if node_id in graph.nodes and not got.finished}
    spoilt = frozenset(changed) | unfinished
    before = _before(graph, chosen) if with_input else frozenset()
    seeds = chosen | (spoilt - before)
    again = _with_all_behind(graph, seeds)
    lost = again | _with_all_behind(graph, spoilt)
    kept = frozenset(node_id for node_id in progress if node_id in graph.nodes and node_id not in lost)
    return RerunScope(again, kept, before - kept - again, seeds)


def changed_nodes(old: Graph, new: Graph, *, vars_changed: bool = False) -> frozenset[str]:
    """Return the nodes of `new` that are not in `old` as they are, or take their items from elsewhere there."""
    return frozenset(
        node_id
        for node_id, node in new.nodes.items()
        if node_id not in old.nodes
        or _matter(old.nodes[node_id]) != _matter(node)
        or set(old.edges_into(node_id)) != set(new.edges_into(node_id))
        or (vars_changed and "$vars" in json.dumps(node.parameters))
    )


def still_replaced(graph: Graph, found: RerunScope, replaced: Iterable[str]) -> set[str]:
    """Return those of the nodes whose input was edited once that take that input in again.

    Not those behind a node that runs again: they take in what it gives. What only leads around a cycle counts as the
    same place.
    """
    of = graph.components.of
    behind = graph.components.behind({of[seed] for seed in found.seeds})
    return {
        node_id
        for node_id in replaced
        if node_id in found.kept or (node_id in found.again and of[node_id] not in behind)
    }


def enters_cycle_elsewhere(graph: Graph, node_id: str) -> bool:
    """Tell whether the node stands on a cycle and takes nothing in from outside of it: no place for other items."""
    components = graph.components
    own = components.of[node_id]
    return components.cyclic[own] and all(graph.leads_back(edge) for edge in graph.edges_into(node_id))


def _matter(node: Node) -> dict[str, Any]:
    return node.model_dump(exclude=NO_MATTER)


def _before(graph: Graph, chosen: frozenset[str]) -> frozenset[str]:
    """Return the nodes that lead to one that was chosen, and do not lie behind it."""
    return graph.before(chosen) - _with_all_behind(graph, chosen)


def _with_all_behind(graph: Graph, nodes: Iterable[str]) -> frozenset[str]:
    nodes = frozenset(nodes)
    return nodes | graph.behind(nodes)
