"""Where the nodes of a graph are drawn: layers from left to right (Sugiyama, by igraph), back edges below.

What igraph needs grows with the layers that edges cross, and it holds the interpreter's lock meanwhile: a thousand
nodes can be connected so that it takes minutes. Such graphs get simple layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import igraph

from executions.domain.graph import Graph

WIDTH, HEIGHT = 196, 60
GAP_X, GAP_Y = 60, 36
MARGIN = 32
BACK_EDGE = 24  # room below for the curve of an edge that leads back
MOST_CROSSED = 2_000
"""Up to so many layers, crossed by all edges together, igraph is asked: some hundredths of a second."""


def layout(graph: Graph) -> dict[str, Any]:
    """Return `{width, height, nodes: {id: {x, y, width, height}}, edges: [{source, …, path}]}` in SVG units.

    Nodes stand where their `position` says if every one has one; else they are laid out here.
    """
    given = {node.id: node.position for node in graph.nodes.values() if node.position is not None}
    corners = given if len(given) == len(graph.nodes) else _layered(graph)
    left, top = min(x for x, _ in corners.values()), min(y for _, y in corners.values())
    nodes = {
        node_id: {"x": MARGIN + x - left, "y": MARGIN + y - top, "width": WIDTH, "height": HEIGHT}
        for node_id, (x, y) in corners.items()
    }
    edges = [edge.model_dump() | {"path": _path(nodes[edge.source], nodes[edge.target])} for edge in graph.edges]
    return {
        "width": max(n["x"] for n in nodes.values()) + WIDTH + MARGIN,
        "height": max(n["y"] for n in nodes.values()) + HEIGHT + MARGIN + BACK_EDGE,
        "nodes": nodes,
        "edges": edges,
    }


def _layered(graph: Graph) -> dict[str, tuple[float, float]]:
    layers = _layers(graph)
    crossed = sum(max(1, abs(layers[edge.target] - layers[edge.source])) for edge in graph.edges)
    if crossed > MOST_CROSSED:
        return _simple(graph, layers)
    ids = list(graph.nodes)
    place = {node_id: index for index, node_id in enumerate(ids)}
    drawn = igraph.Graph(n=len(ids), edges=[(place[e.source], place[e.target]) for e in graph.edges], directed=True)
    points = drawn.layout_sugiyama(hgap=1, vgap=1, maxiter=200).coords
    return {node_id: (points[i][1] * (WIDTH + GAP_X), points[i][0] * (HEIGHT + GAP_Y)) for node_id, i in place.items()}


def _layers(graph: Graph) -> dict[str, int]:
    """Return the layer of each node: behind all that lead to it, apart from what leads back. One look at each edge."""
    layers = dict.fromkeys(graph.nodes, 0)
    finished: list[str] = []
    back: set[tuple[str, str]] = set()
    seen: set[str] = set()
    for root in graph.nodes:
        if root in seen:
            continue
        seen.add(root)
        path: dict[str, Iterator[Any]] = {root: iter(graph.edges_from(root))}
        while path:
            node_id = next(reversed(path))
            for edge in path[node_id]:
                if edge.target in path:
                    back.add((node_id, edge.target))
                elif edge.target not in seen:
                    seen.add(edge.target)
                    path[edge.target] = iter(graph.edges_from(edge.target))
                    break
            else:
                del path[node_id]
                finished.append(node_id)
    for node_id in reversed(finished):
        for edge in graph.edges_from(node_id):
            if (node_id, edge.target) not in back:
                layers[edge.target] = max(layers[edge.target], layers[node_id] + 1)
    return layers


def _simple(graph: Graph, layers: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Return the nodes in their layers, each near the middle of those that lead to it."""
    by_layer: dict[int, list[str]] = {}
    for node_id, layer in layers.items():
        by_layer.setdefault(layer, []).append(node_id)
    rows: dict[str, int] = {}

    def middle(node_id: str) -> float:
        known = [rows[edge.source] for edge in graph.edges_into(node_id) if edge.source in rows]
        return sum(known) / len(known) if known else 0.0

    for _, members in sorted(by_layer.items()):
        rows |= {node_id: row for row, node_id in enumerate(sorted(members, key=middle))}
    return {node_id: (layers[node_id] * (WIDTH + GAP_X), rows[node_id] * (HEIGHT + GAP_Y)) for node_id in graph.nodes}


def _path(source: dict[str, float], target: dict[str, float]) -> str:
    """Return a curve from the right of the source to the left of the target; backwards it runs below both."""
    x1, y1 = source["x"] + WIDTH, source["y"] + HEIGHT / 2
    x2, y2 = target["x"], target["y"] + HEIGHT / 2
    if x2 > x1:
        bend = max(30.0, (x2 - x1) / 2)
        return f"M{x1:.0f},{y1:.0f} C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    low = max(y1, y2) + HEIGHT
    return f"M{x1:.0f},{y1:.0f} C{x1 + 60:.0f},{low:.0f} {x2 - 60:.0f},{low:.0f} {x2:.0f},{y2:.0f}"
