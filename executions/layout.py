"""Where the nodes of a graph are drawn: layers from left to right (Sugiyama, by igraph), back edges below."""

from __future__ import annotations

from typing import Any

import igraph

from executions.graph import Graph

WIDTH, HEIGHT = 196, 60
GAP_X, GAP_Y = 60, 36
MARGIN = 32
BACK_EDGE = 24  # room below for the curve of an edge that leads back


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
    ids = list(graph.nodes)
    place = {node_id: index for index, node_id in enumerate(ids)}
    drawn = igraph.Graph(n=len(ids), edges=[(place[e.source], place[e.target]) for e in graph.edges], directed=True)
    points = drawn.layout_sugiyama(hgap=1, vgap=1, maxiter=200).coords
    return {node_id: (points[i][1] * (WIDTH + GAP_X), points[i][0] * (HEIGHT + GAP_Y)) for node_id, i in place.items()}


def _path(source: dict[str, float], target: dict[str, float]) -> str:
    """Return a curve from the right of the source to the left of the target; backwards it runs below both."""
    x1, y1 = source["x"] + WIDTH, source["y"] + HEIGHT / 2
    x2, y2 = target["x"], target["y"] + HEIGHT / 2
    if x2 > x1:
        bend = max(30.0, (x2 - x1) / 2)
        return f"M{x1:.0f},{y1:.0f} C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    low = max(y1, y2) + HEIGHT
    return f"M{x1:.0f},{y1:.0f} C{x1 + 60:.0f},{low:.0f} {x2 - 60:.0f},{low:.0f} {x2:.0f},{y2:.0f}"
