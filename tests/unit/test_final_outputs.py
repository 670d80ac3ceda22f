"""Which outputs make the result of an execution."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from executions.domain.final_outputs import final_outputs
from executions.domain.graph import Graph
from executions.engine.outputs import ExecutionOutputs
from executions.models import Execution, NodeRun
from executions.nodes.registry import output_names
from tests.workflows import edge, node

START = node("start", "manual_trigger")
IF = node("if", "if", condition="{{ true }}")
A, B = node("a", "no_op"), node("b", "no_op")
LOOP = node("loop", "loop", batch_size=1)


def final(nodes: list[dict[str, Any]], *edges: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return final_outputs(Graph.parse(nodes, list(edges)), output_names)


@pytest.mark.parametrize(
    ("nodes", "edges", "expected"),
    [
        ([START], [], {"start": ("main",)}),
        ([START, A], [edge("start", "a")], {"a": ("main",)}),
        ([START, IF], [edge("start", "if")], {"if": ("true", "false")}),
        ([START, IF | {"disabled": True}], [edge("start", "if")], {"if": ("main",)}),
        ([START, IF, A], [edge("start", "if"), edge("if", "a", "true")], {"a": ("main",)}),
        (
            [START, IF, B, A],
            [edge("start", "if"), edge("if", "a", "true"), edge("if", "b", "false")],
            {"b": ("main",), "a": ("main",)},
        ),
        (
            [START, A | {"on_error": "route"}, B],
            [edge("start", "a"), edge("a", "b", "error")],
            {"a": ("main",), "b": ("main",)},
        ),
        (
            [START, LOOP, A],
            [edge("start", "loop"), edge("loop", "a", "loop"), edge("a", "loop")],
            {"loop": ("done",), "a": ()},
        ),
        (
            [START, LOOP, A, B],
            [
                edge("start", "loop"),
                edge("loop", "a", "loop"),
                edge("a", "loop"),
                edge("loop", "b", "done"),
            ],
            {"b": ("main",)},
        ),
    ],
)
def test_the_last_nodes_make_the_result(nodes: Any, edges: Any, expected: Any) -> None:
    assert final(nodes, *edges) == expected
    assert list(final(nodes, *edges)) == list(expected)


def outputs_of(*runs: tuple[str, int, dict[str, Any]]) -> ExecutionOutputs:
    outputs = ExecutionOutputs(None, {"b": ("true", "false"), "a": ("main",)})
    for node_id, run_index, output in runs:
        outputs.set(NodeRun(node_id=node_id, run_index=run_index), output, 10)
    return outputs


def test_the_result_is_in_the_order_of_nodes_and_runs() -> None:
    items = [{"n": n} for n in range(6)]
    outputs = outputs_of(
        ("x", 0, {"main": [items[5]]}),
        ("a", 1, {"main": [items[4]]}),
        ("a", 0, {"main": [items[3]]}),
        ("b", 0, {"false": [items[2]], "true": items[:2]}),
    )
    assert outputs.result == ("b", {"true": items[:5]})
    assert outputs_of(("b", 0, {"false": [items[2]], "true": items[:2]})).result == (
        "b",
        {"true": items[:2], "false": [items[2]]},
    )
    state = outputs.state(Execution(id=uuid4(), status="completed"))
    assert state == {"status": "completed", "response": None, "items": items[:5]}


def test_a_last_node_that_gave_nothing_gives_nothing(settings: Any) -> None:
    outputs = outputs_of(("x", 0, {"main": [{"n": 1}]}), ("a", 0, {}))
    assert outputs.result == (None, {})
    assert outputs.state(Execution(id=uuid4(), status="completed")) == {
        "status": "completed",
        "response": None,
        "items": [],
    }
    settings.NODE_OUTPUT_MAX_BYTES = 15
    large = outputs_of(("a", 0, {"main": [{"n": 1}]}), ("a", 1, {"main": [{"n": 1}]}))
    assert large.result is None
    assert large.state(Execution(id=uuid4(), status="completed")) is None
