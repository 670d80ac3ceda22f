from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from executions.domain.errors import NodeError
from executions.domain.graph import Node
from executions.models import WaitKind
from executions.nodes import execute_workflow
from executions.nodes.base import NodeResult
from executions.nodes.registry import node_types
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


# --- mode each -------------------------------------------------------------------------------------------------------


class Children:
    """Children that end as they are told to."""

    def __init__(self, *outcomes: dict[str, Any], over: bool = True) -> None:
        self._given, self._over = outcomes, over
        self.started: list[tuple[int, str, Any]] = []
        self.on_failure = ""

    def start(self, calls: Any, at_once: int, on_failure: str) -> bool:
        self.started += [(call.index, call.workflow.name, call.item) for call in calls]
        self.on_failure = on_failure
        return self._over

    def start_unawaited(self, calls: Any) -> dict[int, Any]:
        self.start(calls, 0, "")
        return self.outcomes()

    def outcomes(self) -> dict[int, Any]:
        return {index: outcome for (index, *_), outcome in zip(self.started, self._given, strict=False)}


def each(
    monkeypatch: pytest.MonkeyPatch, children: Children, of_node: dict[str, Any] | None = None, **parameters: Any
) -> NodeResult:
    monkeypatch.setattr(execute_workflow, "_find", lambda workspace, name: SimpleNamespace(name=name, pk=name))
    parameters = {"workflow": "{{ $json.of }}", "mode": "each"} | parameters
    node = Node(id="n", name="N", type="execute_workflow", parameters=parameters, **(of_node or {}))
    run = SimpleNamespace(execution=SimpleNamespace(workspace_id="w"))
    items = [{"of": name} for name in ("A", "B", "A")]
    result: NodeResult = run_in_context(
        "execute_workflow", {"main": items}, {"node": node, "children": children, "node_run": run}, **parameters
    )
    return result


def ended(*items: dict[str, Any], **of_outcome: Any) -> dict[str, Any]:
    return {"status": "completed", "execution": "e", "items": list(items), "error": None} | of_outcome


FAILED = ended(status="failed", error="No paper.")


def test_in_mode_each_an_item_whose_child_fails_leaves_by_error(monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children(ended({"n": 1}, {"n": 2}), FAILED, ended())
    result = each(monkeypatch, children, {"on_error": "route"})
    assert children.started == [(0, "A", {"of": "A"}), (1, "B", {"of": "B"}), (2, "A", {"of": "A"})]
    assert result.outputs["main"] == [{"n": 1}, {"n": 2}]
    (bad,) = result.outputs["error"]
    assert (bad["of"], bad["error"]["message"]) == ("B", "The execution e ended with status failed: No paper.")
    assert (dict(result.lineage), result.failed_items) == ({"main": [0, 0], "error": [1]}, 1)


def test_in_mode_each_it_waits_while_children_run(monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children(over=False)
    wait_for = each(monkeypatch, children, at_once=2).wait_for
    assert wait_for is not None
    assert (wait_for.kind, wait_for.reason) == (WaitKind.EXECUTION, "Waiting for 3 executions, at most 2 at a time.")


@pytest.mark.parametrize(
    ("of_node", "on_failure"),
    [({"on_error": "route"}, "continue"), ({}, "stop"), ({"retry": {"attempts": 2}}, "finish")],
)
def test_what_a_failed_child_does_to_the_others(
    monkeypatch: pytest.MonkeyPatch, of_node: dict[str, Any], on_failure: str
) -> None:
    children = Children(over=False)
    each(monkeypatch, children, of_node)
    assert children.on_failure == on_failure


def test_in_mode_each_the_first_child_that_failed_stops_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NodeError, match="No paper") as raised:
        each(monkeypatch, Children(ended(), FAILED, ended()))
    assert raised.value.retryable


def test_in_mode_each_without_waiting_each_item_gives_its_child(monkeypatch: pytest.MonkeyPatch) -> None:
    child = {"execution": "e", "workflow": "A", "status": "queued"}
    refused = {"execution": None, "status": "failed", "error": "Too deep."}
    result = each(monkeypatch, Children(child, refused, child), {"on_error": "continue"}, wait=False)
    assert result.outputs["main"][::2] == [child, child]
    assert result.outputs["main"][1]["error"]["message"] == "Too deep."


def test_what_is_the_same_for_all_items_cannot_be_an_expression() -> None:
    node_type = node_types()["execute_workflow"]
    fields = {"workflow": "{{ $json.of }}", "mode": "each", "at_once": "{{ 3 }}", "wait": "{{ true }}"}
    assert [path for path, *_ in node_type.check_parameters(fields)] == ["parameters.at_once", "parameters.wait"]
    assert [path for path, *_ in node_type.check_parameters({"workflow": "A", "mode": "{{ 1 }}"})] == [
        "parameters.mode"
    ]
    assert [path for path, *_ in node_type.check_parameters(fields | {"at_once": 101, "wait": True})] == [
        "parameters.at_once"
    ]
