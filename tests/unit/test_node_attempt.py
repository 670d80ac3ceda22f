"""What an attempt costs."""

from __future__ import annotations

from executions.domain.expressions import Evaluator, ExpressionScope
from executions.domain.graph import Node
from executions.engine.node_attempt import NodeOutcome, run_node
from executions.nodes.base import NodeContext
from executions.nodes.code import Code, CodeParameters

HEAVY = "let a = []; for (let i = 0; i < 5e5; i++) a.push({ i });"


def attempted(code: str) -> NodeOutcome:
    node = Node(id="node", name="Node", type="code", parameters={"code": code})

    def context() -> NodeContext[CodeParameters]:
        return NodeContext(
            node, CodeParameters, {"main": []}, Evaluator(ExpressionScope([])), "key", lambda level, message: None
        )

    return run_node(node, Code(), {"main": []}, context)


def test_the_cost_of_code_is_that_of_its_process_and_not_of_the_thread_that_waits() -> None:
    outcome = attempted(HEAVY + "return [];")
    assert outcome.error is None
    assert (outcome.cpu_ms or 0) > 10
    assert 20 * 2**20 < (outcome.spending.memory_bytes or 0) < 200 * 2**20


def test_code_that_fails_has_its_cost_too() -> None:
    outcome = attempted(HEAVY + "throw new Error('after all that')")
    assert "after all that" in str(outcome.error)
    assert (outcome.cpu_ms or 0) > 10
