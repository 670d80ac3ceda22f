from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from executions.domain.errors import NodeError
from executions.models import WaitKind
from tests.unit.nodes.running import run_in_context

CHILD: Any = SimpleNamespace(
    pk="the-child", workflow_id="its-workflow", status="queued", workflow=SimpleNamespace(name="C")
)


def call(context: dict[str, Any] | None = None, **parameters: Any) -> Any:
    started: list[tuple[str, Any, bool]] = []

    def start_child(workflow: str, items: Any, wait: bool) -> Any:
        started.append((workflow, items, wait))
        return CHILD

    context = context or {"start_child": start_child}
    return run_in_context("execute_workflow", {"main": [{"n": 1}]}, context, workflow="C", **parameters), started


def test_it_starts_the_workflow_with_its_items_and_waits_for_its_end() -> None:
    result, started = call()
    assert started == [("C", [{"n": 1}], True)]
    assert (result.wait_for.kind, result.wait_for.child) == (WaitKind.EXECUTION, CHILD)
    assert "the-child" in result.wait_for.reason


def test_without_waiting_it_gives_the_childs_id() -> None:
    result, started = call(wait=False)
    assert started == [("C", [{"n": 1}], False)]
    assert result.outputs == {"main": [{"execution": "the-child", "workflow": "its-workflow", "status": "queued"}]}


def test_it_goes_on_with_what_the_child_gave() -> None:
    outcome = {"status": "completed", "items": [{"n": 2}], "execution": "the-child", "error": None}
    assert call({"resumed": True, "outcome": outcome})[0].outputs == {"main": [{"n": 2}]}


@pytest.mark.parametrize(("status", "retryable"), [("failed", True), ("timed_out", True), ("cancelled", False)])
def test_it_fails_as_the_child_did(status: str, retryable: bool) -> None:
    outcome = {"status": status, "items": [], "execution": "the-child", "error": "No paper."}
    with pytest.raises(NodeError, match=f"the-child ended with status {status}: No paper.") as raised:
        call({"resumed": True, "outcome": outcome})
    assert raised.value.retryable is retryable
