"""The groups of nodes that a large graph is collapsed by: the bodies of its loops, and its branches. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from executions.domain.graph import Graph

LOOP = "loop"
"""The type of loops, and the name of the output that leads into their body."""
FEWEST = 2
"""Nodes of a group."""
MAX_GROUPS = 100
MAX_MEMBERS = 10_000
"""Of all groups together: branches within branches are listed in each of them."""


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that belong together. The id says why, and stays the same as long as the node that it names."""

    id: str
    kind: Literal["loop", "branch"]
    name: str
    nodes: list[str]


def node_groups(graph: Graph) -> list[NodeGroup]:
    """Return the bodies of loops and the branches, the largest first; of many, the largest."""
    found = sorted((*_loops(graph), *_branches(graph)), key=lambda group: -len(group.nodes))[:MAX_GROUPS]
    kept, members = [], 0
    for group in found:
        members += len(group.nodes)
        if members <= MAX_MEMBERS:
            kept.append(group)
    return kept


def _loops(graph: Graph) -> Iterator[NodeGroup]:
    """Yield the body of each loop: what its output leads to, without what follows the loop."""
    for node in graph.nodes.values():
        if node.type != LOOP:
            continue
        edges = graph.edges_from(node.id)
        body = _reached(graph, [e.target for e in edges if e.source_output == LOOP], node.id)
        body -= _reached(graph, [e.target for e in edges if e.source_output != LOOP], node.id)
        if len(body) >= FEWEST:
            yield NodeGroup(f"loop:{node.id}", "loop", f"Body of {node.label}", _ordered(graph, body))


def _reached(graph: Graph, starts: list[str], without: str) -> set[str]:
    found, stack = set(starts) - {without}, list(starts)
    while stack:
        for edge in graph.edges_from(stack.pop()):
            if edge.target != without and edge.target not in found:
                found.add(edge.target)
                stack.append(edge.target)
    return found


def _branches(graph: Graph) -> Iterator[NodeGroup]:
    """Yield each branch behind a node that leads to several: its first node, and what is reached only through it."""
    dominators = _dominators(graph)
    below: dict[str, list[str]] = {node: [] for node in graph.nodes}
    for node, dominator in dominators.items():
        if dominator is not None:
            below[dominator].append(node)
    for source in graph.nodes.values():
        ends = {edge.target: edge for edge in graph.edges_from(source.id)}
        if len(ends) < FEWEST or source.type == LOOP:
            continue
        for target, edge in ends.items():
            members = _under(target, below)
            entered = {each.source for each in graph.edges_into(target)} - members
            if dominators[target] != source.id or entered != {source.id} or len(members) < FEWEST:
                continue
            label = graph.nodes[target].label
            name = f"Branch {label}" if edge.source_output == "main" else f"Branch {edge.source_output}: {label}"
            yield NodeGroup(f"branch:{target}", "branch", name, _ordered(graph, members))


def _under(node: str, below: dict[str, list[str]]) -> set[str]:
    found, stack = {node}, [node]
    while stack:
        inner = below[stack.pop()]
        found.update(inner)
        stack += inner
    return found


def _ordered(graph: Graph, nodes: set[str]) -> list[str]:
    return sorted(nodes, key=graph.places.__getitem__)


def _dominators(graph: Graph) -> dict[str, str | None]:
    """Return for each node the nearest one that every path to it leads through; None if there is none.

    By Cooper, Harvey and Kennedy, with a root in front of all nodes that nothing leads to.
    """
    order = _reverse_postorder(graph)
    place = {node: index + 1 for index, node in enumerate(order)}  # 0 is the root
    known: list[int | None] = [0] + [None] * len(order)
    changed = True
    while changed:
        changed = False
        for node in order:
            sources = [place[edge.source] for edge in graph.edges_into(node)]
            ready = [source for source in sources if known[source] is not None]
            found = ready[0] if ready else 0
            for source in ready[1:]:
                found = _meeting(known, found, source)
            if known[place[node]] != found:
                known[place[node]], changed = found, True
    return {node: order[at - 1] if (at := known[place[node]] or 0) else None for node in order}


def _meeting(known: list[int | None], one: int, other: int) -> int:
    while one != other:
        while one > other:
            one = known[one] or 0
        while other > one:
            other = known[other] or 0
    return one


def _reverse_postorder(graph: Graph) -> list[str]:
    """Return the nodes, each before those behind it as far as there are no cycles."""
    starts = [node for node in graph.nodes if not graph.edges_into(node)]
    finished: list[str] = []
    seen: set[str] = set()
    for root in (*starts, *graph.nodes):  # the others: cycles that nothing leads to
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(graph.edges_from(root)))]
        while path:
            node, edges = path[-1]
            following = next((edge.target for edge in edges if edge.target not in seen), None)
            if following is None:
                path.pop()
                finished.append(node)
            else:
                seen.add(following)
                path.append((following, iter(graph.edges_from(following))))
    return finished[::-1]
