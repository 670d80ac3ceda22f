"""The groups that a large graph is collapsed by: bodies of loops, and branches."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from executions.domain.graph import Graph
from executions.domain.node_groups import MAX_MEMBERS, node_groups
from tests.workflows import edge, node


def groups(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {group.id: group.nodes for group in node_groups(Graph.parse(nodes, edges, 5000))}


def chain(*ids: str) -> list[dict[str, Any]]:
    return [edge(source, target) for source, target in pairwise(ids)]


def plain(*ids: str) -> list[dict[str, Any]]:
    return [node(id, "no_op") for id in ids]


def test_the_body_of_a_loop_is_what_runs_in_each_turn() -> None:
    nodes = [node("start", "manual_trigger"), node("each", "loop"), *plain("a", "b", "note", "after", "end")]
    edges = [
        edge("start", "each"), edge("each", "a", "loop"), *chain("a", "b", "each"), edge("a", "note"),
        edge("each", "after", "done"), *chain("after", "end"),
    ]  # fmt: skip
    assert groups(nodes, edges) == {"loop:each": ["a", "b", "note"]}


def test_an_inner_loop_is_a_group_within_the_outer_one() -> None:
    nodes = [node("outer", "loop"), node("inner", "loop"), *plain("a", "b", "c")]
    edges = [
        edge("outer", "inner", "loop"), edge("inner", "a", "loop"), *chain("a", "b", "inner"),
        edge("inner", "c", "done"), edge("c", "outer"),
    ]  # fmt: skip
    assert groups(nodes, edges) == {"loop:outer": ["inner", "a", "b", "c"], "loop:inner": ["a", "b"]}


def test_a_branch_ends_where_another_one_joins_it() -> None:
    nodes = [node("start", "manual_trigger"), node("which", "if"), *plain("a", "b", "c", "d", "both", "end")]
    edges = [
        edge("start", "which"), edge("which", "a", "true"), *chain("a", "b", "both"),
        edge("which", "c", "false"), *chain("c", "d", "both", "end"),
    ]  # fmt: skip
    assert groups(nodes, edges) == {"branch:a": ["a", "b"], "branch:c": ["c", "d"]}
    found = node_groups(Graph.parse(nodes, edges))
    assert [group.name for group in found] == ["Branch true: A", "Branch false: C"]


def test_a_single_node_and_a_cycle_that_nothing_leads_to_are_no_group() -> None:
    nodes = [node("start", "manual_trigger"), *plain("a", "b", "c", "d")]
    edges = [edge("start", "a"), edge("start", "b"), *chain("c", "d", "c")]
    assert groups(nodes, edges) == {}


def test_the_groups_of_a_large_graph_are_bounded() -> None:
    nodes = [node("n0", "manual_trigger")]
    edges = []
    for number in range(1, 1500):
        nodes += plain(f"n{number}", f"side{number}")
        edges += [edge(f"n{number - 1}", f"n{number}"), edge(f"n{number - 1}", f"side{number}")]
    found = node_groups(Graph.parse(nodes, edges, 5000))
    assert 0 < sum(len(group.nodes) for group in found) <= MAX_MEMBERS
