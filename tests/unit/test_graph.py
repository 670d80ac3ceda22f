"""What is wrong with a graph is said with its node and field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain.graph import Graph, GraphProblem, InvalidGraph, validate
from executions.domain.syntax import check_syntax
from executions.nodes.registry import node_types
from tests.workflows import TWELVE_NODES, edge, node

START = node("start", "manual_trigger")


def problems(nodes: Any, edges: Any) -> list[GraphProblem]:
    try:
        return validate(Graph.parse(nodes, edges), node_types(), check_syntax)
    except InvalidGraph as error:
        return error.problems


def test_a_graph_with_branches_merge_and_loop_is_fine() -> None:
    assert problems(TWELVE_NODES["nodes"], TWELVE_NODES["edges"]) == []


@pytest.mark.parametrize(
    ("nodes", "edges", "where", "field"),
    [
        ([START, node("a", "teleport")], [edge("start", "a")], "a", "type"),
        ([START, node("a", "no_op"), node("a", "no_op")], [edge("start", "a")], "a", "id"),
        ([START, node("a", "no_op")], [], "a", None),
        ([START, node("a", "if")], [edge("start", "a")], "a", "parameters.condition"),
        ([START, node("a", "set", nonsense=1)], [edge("start", "a")], "a", "parameters.nonsense"),
        ([START, node("a", "if", condition="{{ 1 + }}")], [edge("start", "a")], "a", "parameters.condition"),
        ([START], [edge("start", "nobody")], 0, "target"),
        ([START], [edge("nobody", "start")], 0, "source"),
        ([START, node("a", "no_op")], [edge("start", "a", "sideways")], 0, "source_output"),
        ([START, node("a", "no_op")], [edge("start", "a", "main", "sideways")], 0, "target_input"),
        ([], [], None, "nodes"),
        ("x", [], None, "nodes"),
    ],
)
def test_a_problem_names_where_it_is(nodes: Any, edges: Any, where: str | int | None, field: str | None) -> None:
    found = problems(nodes, edges)
    assert any(where in (p.node, p.edge) and field in (None, p.field) for p in found), found
    assert all(p.message and p.code for p in found)


def test_the_text_of_an_error_names_the_place_and_an_unknown_field() -> None:
    nodes = [node("a", "manual_trigger") | {"nmae": "A"}, node("b", "no_op")]
    with pytest.raises(InvalidGraph) as raised:
        Graph.parse(nodes, [{"source": "a", "target": "b", "output": "main"}])
    unknown = "Unknown field. Remove it or correct its name."
    assert str(raised.value) == f"a, nmae: {unknown}; edge 0, output: {unknown}"


def test_an_output_for_failed_items_is_not_also_a_case() -> None:
    switch = node("a", "switch", cases=[{"name": "error", "condition": "{{ $json.n }}"}])
    assert problems([START, switch], [edge("start", "a")]) == []
    found = problems([START, switch | {"on_error": "route"}], [edge("start", "a")])
    assert [(problem.node, problem.field, problem.code) for problem in found] == [("a", "on_error", "duplicate")]


def test_all_problems_are_told_at_once() -> None:
    found = problems([START, node("a", "teleport"), node("b", "if")], [edge("start", "a"), edge("start", "b")])
    assert {problem.node for problem in found} >= {"a", "b"}


def test_a_graph_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(InvalidGraph, match="2000 nodes"):
        Graph.parse([node(f"n{i}", "no_op") for i in range(2000)], [], max_nodes=1000)


def test_too_many_edges_are_refused_with_both_figures() -> None:
    edges = [edge("a", "b")] * 11
    with pytest.raises(InvalidGraph) as raised:
        Graph.parse([node("a", "no_op"), node("b", "no_op")], edges, max_nodes=1000, max_edges=10)
    (problem,) = raised.value.problems
    assert (problem.field, problem.code) == ("edges", "too_many")
    assert problem.message == "The workflow has 11 edges; the limit is 10."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "name", "type", "parameters", "source", "target", "retry", "position", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(nodes=JSON | st.lists(JSON, max_size=4), edges=JSON | st.lists(JSON, max_size=4))
def test_no_json_whatsoever_breaks_the_reader(nodes: Any, edges: Any) -> None:
    for problem in problems(nodes, edges):
        assert problem.message
