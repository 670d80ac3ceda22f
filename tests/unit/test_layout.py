"""Where nodes are drawn: of any graph that may be saved, and without minutes of work for a hostile one."""

from __future__ import annotations

import itertools
import random
import re
from typing import Any

import igraph
import pytest

from executions.domain.graph import Graph
from executions.pages.layout import layout
from tests.workflows import edge, node

N = 1000
NAMES = ["start", *(f"n{i}" for i in range(1, N))]


def long_and_short() -> list[dict[str, Any]]:
    """A chain of all nodes, and edges that cross many of its layers."""
    chance = random.Random(1)
    pairs = [sorted(chance.sample(range(N), 2)) for _ in range(3 * N)]
    return [edge(NAMES[i], NAMES[i + 1]) for i in range(N - 1)] + [edge(NAMES[a], NAMES[b], f"o{b}") for a, b in pairs]


def at_random() -> list[dict[str, Any]]:
    """Cycles within cycles."""
    chance = random.Random(1)
    return [edge(*chance.sample(NAMES, 2), f"o{i}") for i in range(4 * N)]


def two_branches() -> list[dict[str, Any]]:
    return [edge("start", NAMES[1]), *(edge(NAMES[i], NAMES[i + 1]) for i in range(1, N // 2))] + [
        edge(source, NAMES[i]) for i in range(N // 2 + 1, N) for source in ("start", NAMES[N // 2])
    ]


@pytest.mark.parametrize("shape", [long_and_short, at_random, two_branches])
def test_a_graph_whose_edges_cross_many_layers_is_laid_out_without_igraph(
    shape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(igraph, "Graph")
    graph = Graph.parse([node(name, "no_op") for name in NAMES], shape())
    drawn = layout(graph)
    places = {(place["x"], place["y"]) for place in drawn["nodes"].values()}
    assert len(places) == N  # none covers another
    assert len(drawn["edges"]) == len(graph.edges)


def test_in_simple_layers_too_a_node_stands_to_the_right_of_what_leads_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(igraph, "Graph")
    graph = Graph.parse([node(name, "no_op") for name in NAMES], long_and_short())
    found = layout(graph)["nodes"]
    assert all(found[e.source]["x"] < found[e.target]["x"] for e in graph.edges)


def test_a_cycle_is_laid_out_with_its_back_edge_below() -> None:
    graph = Graph.parse([node(n, "no_op") for n in "abc"], [edge("a", "b"), edge("b", "c"), edge("c", "b")])
    found = layout(graph)["nodes"]
    assert found["a"]["x"] < found["b"]["x"] < found["c"]["x"]


def test_a_back_edge_is_led_around_the_nodes_between() -> None:
    """The loop of five nodes, with another branch below it and a second back edge."""
    names = [f"n{i}" for i in range(6)]
    edges = [edge(a, b) for a, b in itertools.pairwise(names)] + [edge("n5", "n1"), edge("n4", "n2")]
    edges += [edge("n1", "x"), edge("x", "y"), edge("y", "n5")]
    drawn = layout(Graph.parse([node(name, "no_op") for name in [*names, "x", "y"]], edges))
    backwards = [each for each in drawn["edges"] if (each["source"], each["target"]) in {("n5", "n1"), ("n4", "n2")}]
    heights = [float(re.findall(r" Q[\d.]+,([\d.]+)", each["path"])[1]) for each in backwards]
    assert heights[0] != heights[1]
    for each, height in zip(backwards, heights, strict=True):
        left, right = (drawn["nodes"][each[end]]["x"] for end in ("target", "source"))
        between = [place for place in drawn["nodes"].values() if left <= place["x"] <= right]
        assert len(between) >= 3
        assert all(height < place["y"] or height > place["y"] + place["height"] for place in between)
        assert 0 < height < drawn["height"]
