"""A node that computes gives the same in a sandbox process as in the worker."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from executions.domain.errors import NodeError
from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.graph import Node
from executions.domain.items import Items, PackedItems, main_of, pack
from executions.engine import sandbox_runner
from executions.engine.sandbox_runner import FallbackEvaluator
from executions.nodes.base import NodeContext, NodeResult, NodeType
from executions.nodes.registry import node_types
from tests.broken_node import Broken

MANY = [{"id": n, "group": n % 3, "name": f"item {n}", "lines": [n, n + 1]} for n in range(3000)]
ORDERS = [{"id": n, "text": "x" * 50} for n in range(0, 6000, 2)]
BOTH: dict[str, Items] = {"input1": MANY, "input2": ORDERS}
EARLIER = [{"rate": 3}]

CASES: list[tuple[str, dict[str, Any], dict[str, Items]]] = [
    ("set", {"fields": {"twice": "{{ $json.id * 2 }}", "rate": "{{ $('Rates').first().json.rate }}"}}, {}),
    ("filter", {"condition": "{{ $json.id % 2 }}"}, {}),
    ("if", {"condition": "{{ $json.group === 1 }}"}, {}),
    ("switch", {"cases": [{"name": "zero", "condition": "{{ $json.group === 0 }}"}]}, {}),
    ("sort", {"fields": [{"field": "group"}, {"field": "id", "direction": "descending"}]}, {}),
    ("split_out", {"field": "lines"}, {}),
    ("aggregate", {"field": "id", "into": "ids"}, {}),
    ("remove_duplicates", {"fields": ["group"]}, {}),
    ("rename_keys", {"names": {"id": "number"}}, {}),
    ("summarize", {"group_by": ["group"], "summaries": [{"operation": "sum", "field": "id"}]}, {}),
    ("merge", {"mode": "by_key", "key": "id"}, BOTH),
    ("merge", {"mode": "by_position"}, BOTH),
    ("compare", {"key": [{"field": "id"}]}, BOTH),
    ("csv", {"operation": "write", "into": "text"}, {}),
]


def context(node_type: NodeType[Any], parameters: dict[str, Any], inputs: dict[str, Items]) -> NodeContext[Any]:
    scope = ExpressionScope(main_of(inputs), {"Rates": lambda: EARLIER}, {"id": "e"}, {"id": "w"}, {"v": 1})
    node = Node(id="node", type=node_type.type, parameters=parameters)
    said: list[tuple[str, str]] = []
    return NodeContext(
        node, node_type.Parameters, inputs, Evaluator(scope), "key", lambda *line: said.append(line), "workspace"
    )


def as_lists(result: NodeResult) -> dict[str, Any]:
    return {name: list(items) for name, items in result.outputs.items() if items}


@pytest.mark.parametrize(("kind", "parameters", "inputs"), CASES, ids=[case[0] for case in CASES])
def test_a_node_that_computes_gives_the_same_elsewhere(
    kind: str, parameters: dict[str, Any], inputs: dict[str, Items]
) -> None:
    node_type, inputs = node_types()[kind], inputs or {"main": MANY}
    assert node_type.computes
    assert not node_type.check_parameters(parameters)
    here = node_type.run(context(node_type, parameters, inputs))
    as_text = {name: pack(items)[0] for name, items in inputs.items()}
    there = sandbox_runner.run(node_type, context(node_type, parameters, as_text))
    assert as_lists(there) == as_lists(here) != {}
    assert all(isinstance(items, PackedItems) for items in as_text.values())


def test_every_type_that_computes_is_compared_or_tested_by_itself() -> None:
    computing = {name for name, found in node_types().items() if found.computes}
    assert computing == {case[0] for case in CASES} | {"html_extract", "xml", "date_time"}


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        ("set", {"fields": {"a": "{{ $json.none.a }}"}}, "cannot read propert"),
        ("set", {"fields": {"a": "{{ (() => { for (;;) {} })() }}"}}, "took longer than 1 s"),
        ("csv", {"field": "name.none"}, "parameters.field"),
    ],
)
def test_an_error_elsewhere_says_what_it_says_here(kind: str, parameters: dict[str, Any], said: str) -> None:
    node_type = node_types()[kind]
    with pytest.raises(NodeError, match=said):
        sandbox_runner.run(node_type, context(node_type, parameters, {"main": [{"name": "x"}]}))


def test_a_bug_of_a_node_type_is_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        sandbox_runner.run(Broken(), context(Broken(), {}, {"main": [{}]}))
    assert "ZeroDivisionError" in caplog.text


def test_a_node_run_has_a_limit_of_cpu_time(settings: Any) -> None:
    settings.NODE_CPU_SECONDS = 1
    endless = {"fields": {"a": "{{ (() => { const end = Date.now() + 400; while (Date.now() < end); return 1 })() }}"}}
    with pytest.raises(NodeError, match="took longer than 1 s of CPU time"):
        sandbox_runner.run(node_types()["set"], context(node_types()["set"], endless, {"main": MANY}))


def test_an_output_has_its_limit_elsewhere_too(settings: Any) -> None:
    settings.NODE_OUTPUT_MAX_BYTES = 100_000
    large = {"fields": {"a": "{{ 'x'.repeat(3e6) }}"}}
    for count in (1, 3):
        with pytest.raises(NodeError, match="at most 100000 are allowed"):
            sandbox_runner.run(node_types()["set"], context(node_types()["set"], large, {"main": [{}] * count}))


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.fixture
def fallback() -> FallbackEvaluator:
    return FallbackEvaluator(ExpressionScope([{"n": n} for n in range(500)]), "workspace", threading.Event())


SLOW = "{{ (() => { let n = 0; while (n < 200000) n++; return $json.n })() }}"


def test_parameters_that_take_long_are_evaluated_elsewhere_for_each_item(fallback: FallbackEvaluator) -> None:
    parameters = {"url": SLOW, "plain": "{{ $json.n }}"}
    assert [fallback.resolve(parameters, n) for n in (0, 1, 250, 499)] == [
        {"url": n, "plain": n} for n in (0, 1, 250, 499)
    ]
    assert fallback.resolve(SLOW, 7) == 7


def test_an_error_of_one_item_is_raised_for_that_item(fallback: FallbackEvaluator) -> None:
    failing = "{{ (() => { let n = 0; while (n < 200000) n++; return $json.n === 2 ? $json.a.b : 1 })() }}"
    assert [fallback.resolve(failing, n) for n in (0, 1, 3)] == [1, 1, 1]
    with pytest.raises(ExpressionError, match="cannot read propert"):
        fallback.resolve(failing, 2)
