"""Names of nodes in expressions and code: which of them no node has, at a save and at run time."""

from __future__ import annotations

from typing import Any

import pytest

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.graph import Graph, GraphProblem, validate
from executions.domain.node_references import named_in_code, named_in_template
from executions.nodes.registry import node_types
from tests.workflows import edge, node


def problems_of(*nodes: dict[str, Any]) -> list[GraphProblem]:
    graph = Graph.parse([node("start", "manual_trigger"), *nodes], [edge("start", each["id"]) for each in nodes])
    return validate(graph, node_types(), lambda text: None)


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{{ $('A').item.json.x }}", ["A"]),
        ('{{ $node["A b"].json.x + $node.C.json.y }}', ["A b", "C"]),
        ("{{ $items('A', 0).length }} and {{ $(`B`).first() }}", ["A", "B"]),
        ("{{ $('It\\'s').first() }}", ["It's"]),
        ("{{ $(name).first() }}", []),
        ("{{ \"$('text')\" }}", []),
        ("$('outside') {{ 1 }}", []),
    ],
)
def test_names_are_found_in_expressions(template: str, named: list[str]) -> None:
    assert named_in_template(template) == named


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("// $('old')\nreturn $('A').all() /* $('older') */", ["A"]),
        ("const $ = load(html); return $('h1').text()", []),
        ("return items.map($ => $('x'))", []),
        ("if (a) { return $input.all() }\nreturn $node['B'].json", ["B"]),
        ("this.$('no')", []),
    ],
)
def test_names_are_found_in_code_but_not_in_comments(code: str, named: list[str]) -> None:
    assert named_in_code(code) == named


def test_a_name_that_no_node_has_is_a_problem_with_its_place_and_the_nearest_name() -> None:
    (of_set,) = problems_of(node("x", "set", fields={"a": {"b": "{{ $('Strat').first().json.n }}"}}))
    assert (of_set.node, of_set.field, of_set.code) == ("x", "parameters.fields.a.b", "unknown_node")
    assert of_set.message == "The workflow has no node 'Strat'. Do you mean 'Start'?"
    (of_code,) = problems_of(node("y", "code", code="return $node['nope'].json"))
    assert (of_code.field, of_code.message) == ("parameters.code", "The workflow has no node 'nope'.")
    assert problems_of(node("z", "set", fields={"a": "{{ $('start').first().json.n }}"})) == []


def test_at_run_time_an_error_tells_a_missing_node_from_one_that_has_not_run() -> None:
    scope = ExpressionScope([{}], surroundings={"names": {"Orders", "Later"}})
    with pytest.raises(ExpressionError, match=r"the workflow has no node 'Order'\. Do you mean 'Orders'\?"):
        Evaluator(scope).resolve("{{ $('Order').first().json }}")
    with pytest.raises(ExpressionError, match='node "Later" has not run yet'):
        Evaluator(scope).resolve("{{ $node['Later'].json.x }}")
