"""The layout of a graph: layers from left to right (Sugiyama, by igraph), with back edges around the nodes.

The time that igraph needs grows with the number of layers that edges cross, and it holds the interpreter lock. A
thousand nodes can be connected so that it takes minutes; such graphs get a simple layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import igraph

from executions.domain.graph import Graph
from executions.pages.edge_paths import HEIGHT, WIDTH, EdgePaths

GAP_X, GAP_Y = 60, 36
MARGIN = 32
MAX_CROSSED = 2_000
"""The most layers, crossed by all edges together, that igraph lays out. That takes some hundredths of a second."""


def layout(graph: Graph) -> dict[str, Any]:
    """Return `{width, height, nodes: {id: {x, y, width, height}}, edges: [{source, …, path}]}` in SVG units.

    Uses the `position` of the nodes if all have one.
    """
    positions = {node.id: node.position for node in graph.nodes.values() if node.position is not None}
    corners = positions if len(positions) == len(graph.nodes) else _layered(graph)
    left, top = min(x for x, _ in corners.values()), min(y for _, y in corners.values())
    nodes = {
        node_id: {"x": MARGIN + x - left, "y": MARGIN + y - top, "width": WIDTH, "height": HEIGHT}
        for node_id, (x, y) in corners.items()
    }
    paths = EdgePaths(nodes)
    edges = [edge.model_dump() | {"path": paths.between(edge.source, edge.target)} for edge in graph.edges]
    return {
        "width": max(n["x"] for n in nodes.values()) + WIDTH + MARGIN,
        "height": max(max(n["y"] for n in nodes.values()) + HEIGHT, paths.lowest) + MARGIN,
        "nodes": nodes,
        "edges": edges,
    }


def _layered(graph: Graph) -> dict[str, tuple[float, float]]:
    layers = _layers(graph)
    crossed = sum(max(1, abs(layers[edge.target] - layers[edge.source])) for edge in graph.edges)
    if crossed > MAX_CROSSED:
        return _simple(graph, layers)
    ids = list(graph.nodes)
    indexes = {node_id: index for index, node_id in enumerate(ids)}
    igraph_graph = igraph.Graph(
        n=len(ids), edges=[(indexes[e.source], indexes[e.target]) for e in graph.edges], directed=True
    )
    points = igraph_graph.layout_sugiyama(hgap=1, vgap=1, maxiter=200).coords
    return {
        node_id: (points[i][1] * (WIDTH + GAP_X), points[i][0] * (HEIGHT + GAP_Y)) for node_id, i in indexes.items()
    }


def _layers(graph: Graph) -> dict[str, int]:
    """Return the layer of each node: after its predecessors, ignoring back edges. Linear in the edges."""
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
    """Place the nodes in their layers, each near the average row of its predecessors."""
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
