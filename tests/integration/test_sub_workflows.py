"""`execute_workflow` and error workflows: executions that start executions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import Platform
from tests.executing import events, execute, look, node_statuses, output, query, save, until
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


def child_workflow(platform: Platform, *nodes: dict[str, Any], **further: Any) -> str:
    chain = [node("start", "manual_trigger"), *nodes]
    edges = [edge(a["id"], b["id"]) for a, b in pairwise(chain)]
    return save(platform, chain, edges, **{"name": f"Child {uuid4().hex[:8]}"} | further)


def parent_workflow(platform: Platform, workflow: str, **further: Any) -> str:
    call = node("call", "execute_workflow", workflow=workflow, **further.pop("parameters", {})) | further.pop(
        "call", {}
    )
    nodes = [node("start", "manual_trigger"), call, node("after", "no_op")]
    return save(platform, nodes, [edge("start", "call"), edge("call", "after")], **{"name": "Parent"} | further)


def children(platform: Platform, execution: str) -> list[dict[str, Any]]:
    return list(look(platform, execution)["children"])


def test_a_parent_goes_on_with_its_childs_items_and_both_name_each_other(platform: Platform) -> None:
    child = child_workflow(platform, node("double", "set", fields={"n": "{{ $json.n * 2 }}"}))
    execution = execute(platform, parent_workflow(platform, child), {"n": 1}, {"n": 2})
    assert until(platform, execution)["status"] == "completed"
    assert output(platform, execution, "after")["main"] == [{"n": 2}, {"n": 4}]
    (made,) = children(platform, execution)
    assert (made["workflow"], made["status"], made["node"], made["run_index"]) == (child, "completed", "call", 0)
    seen = look(platform, made["id"])
    assert (seen["parent"], seen["trigger"], seen["depth"]) == (execution, "workflow", 1)
    assert (seen["parent_execution"]["id"], seen["parent_execution"]["node"]) == (execution, "call")
    (told,) = events(platform, execution, "node_waiting")
    assert (told["kind"], told["child"]) == ("execution", made["id"])
    assert events(platform, made["id"], "queued")[0]["parent"] == execution


def test_a_workflow_is_found_by_its_name_if_only_one_has_it(platform: Platform) -> None:
    name = f"Named {uuid4().hex[:8]}"
    child_workflow(platform, name=name)
    execution = execute(platform, parent_workflow(platform, name), {"n": 1})
    assert until(platform, execution)["status"] == "completed"
    child_workflow(platform, name=name)
    execution = execute(platform, parent_workflow(platform, "{{ $json.name }}"), {"name": name})
    said = f"parameters.workflow: Several workflows of this workspace have the name {name!r}. Use the id instead."
    assert until(platform, execution)["error"]["message"] == said


def test_one_that_does_not_wait_goes_on_with_the_childs_id(platform: Platform) -> None:
    child = child_workflow(platform, node("pause", "wait", seconds=3600))
    execution = execute(platform, parent_workflow(platform, child, parameters={"wait": False}), {})
    assert until(platform, execution)["status"] == "completed"
    (made,) = children(platform, execution)
    assert output(platform, execution, "call")["main"] == [
        {"execution": made["id"], "workflow": child, "status": "queued"}
    ]
    until(platform, made["id"], "waiting")
    platform.request("POST", f"/api/executions/{made['id']}/cancel/", json={})


def test_a_failed_child_fails_the_node_with_its_error(platform: Platform) -> None:
    child = child_workflow(platform, node("stop", "stop_and_error", message="Out of paper."))
    execution = execute(platform, parent_workflow(platform, child), {})
    ended = until(platform, execution)
    (made,) = children(platform, execution)
    said = f"The execution {made['id']} ended with status failed: Out of paper."
    assert (ended["status"], ended["error"]["message"]) == ("failed", said)
    execution = execute(platform, parent_workflow(platform, child, call={"on_error": "continue"}), {})
    assert until(platform, execution)["status"] == "completed"
    assert "Out of paper." in output(platform, execution, "after")["main"][0]["error"]["message"]


def test_each_attempt_has_a_child_of_its_own(platform: Platform) -> None:
    child = child_workflow(platform, node("stop", "stop_and_error", message="No."))
    retry = {"attempts": 3, "delay_ms": 10}
    execution = execute(platform, parent_workflow(platform, child, call={"retry": retry}), {})
    assert until(platform, execution)["status"] == "failed"
    assert [made["status"] for made in children(platform, execution)] == ["failed"] * 3


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_the_end_of_a_parent_is_the_end_of_its_children(platform: Platform, how: str) -> None:
    grandchild = child_workflow(platform, node("pause", "wait", seconds=3600))
    child = child_workflow(platform, node("call", "execute_workflow", workflow=grandchild))
    busy = node("busy", "code", code="const until = Date.now() + 4000; while (Date.now() < until); return []")
    call = node("call", "execute_workflow", workflow=child)
    further = [busy] if how == "deadline" else []
    nodes = [node("start", "manual_trigger"), call, *further]
    edges = [edge("start", "call"), *([edge("start", "busy")] if further else [])]
    settings = {"max_execution_time_ms": 1500} if further else {}
    execution = execute(platform, save(platform, nodes, edges, settings=settings), {})
    wait_until(lambda: children(platform, execution), "A child")
    (made,) = children(platform, execution)
    wait_until(lambda: children(platform, made["id"]), "A grandchild")
    (grand,) = children(platform, made["id"])
    if how == "cancel":
        until(platform, grand["id"], "waiting")
        platform.request("POST", f"/api/executions/{execution}/cancel/", json={})
    assert until(platform, execution)["status"] == ("cancelled" if how == "cancel" else "timed_out")
    assert until(platform, made["id"])["status"] == "cancelled"
    assert until(platform, grand["id"])["status"] == "cancelled"
    (reason,) = (told["reason"] for told in events(platform, made["id"], "cancelled"))
    assert reason.startswith(f"The parent execution {execution} ended with status ")


def test_a_workflow_that_calls_itself_ends_at_the_depth_limit(platform: Platform) -> None:
    name = f"Ouroboros {uuid4().hex[:8]}"
    execution = execute(platform, parent_workflow(platform, name, name=name), {})
    ended = until(platform, execution)
    assert ended["status"] == "failed"
    assert ended["error"]["message"].endswith(
        "Workflows call each other more than 10 levels deep (MAX_WORKFLOW_DEPTH)."
    )
    depth = 0
    while made := children(platform, execution):
        (execution, depth) = (made[0]["id"], depth + 1)
    assert depth == 10
    assert look(platform, execution)["status"] == "failed"


def test_a_workflow_that_is_not_there_is_named_when_it_is_saved(platform: Platform) -> None:
    nodes = [node("start", "manual_trigger"), node("call", "execute_workflow", workflow="Nowhere")]
    body = {"name": "W", "nodes": nodes, "edges": [edge("start", "call")]}
    (problem,) = platform.request("POST", "/api/workflows/", json=body).json()["errors"]
    said = "This workspace has no workflow with the id or name 'Nowhere'."
    assert (problem["node"], problem["field"], problem["message"]) == ("call", "parameters.workflow", said)
    (problem,) = platform.request("POST", "/api/workflows/validate/", json=body).json()["errors"]
    assert problem["field"] == "parameters.workflow"


# --- error workflows -------------------------------------------------------------------------------------------------


def handled(platform: Platform, handler: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait for executions of the error workflow. Returns them."""

    def found() -> list[dict[str, Any]]:
        return list(platform.request("GET", f"/api/executions/?workflow={handler}").json()["results"])

    wait_until(lambda: len(found()) >= count, "The error workflow")
    return found()


@pytest.mark.parametrize("status", ["failed", "timed_out"])
def test_an_error_workflow_starts_once_with_what_went_wrong(platform: Platform, status: str) -> None:
    handler = child_workflow(platform)
    settings: dict[str, Any] = {"error_workflow": handler}
    bad = node("bad", "stop_and_error", message="No.")
    if status == "timed_out":
        bad = node("bad", "code", code="while (true);", time_limit_seconds=10)
        settings["max_execution_time_ms"] = 300
    execution = execute(platform, child_workflow(platform, bad, name="Goes wrong", settings=settings), {})
    assert until(platform, execution)["status"] == status
    (started,) = handled(platform, handler)
    assert until(platform, started["id"])["status"] == "completed"
    assert started["trigger"] == "error"
    (item,) = output(platform, started["id"], "start")["main"]
    assert (item["execution"]["id"], item["execution"]["status"]) == (execution, status)
    assert item["workflow"]["name"] == "Goes wrong"
    assert (item["execution"]["error"] or {}).get("message") == ("No." if status == "failed" else None)
    assert len(handled(platform, handler)) == 1


def test_what_an_error_workflow_starts_is_not_handled_again(platform: Platform) -> None:
    handler = child_workflow(platform, name="Handler")
    settings = {"error_workflow": handler}
    bad = child_workflow(platform, node("bad", "stop_and_error", message="No."), settings=settings)
    nodes = [node("start", "manual_trigger"), node("call", "execute_workflow", workflow=bad)]
    body = {"nodes": nodes, "edges": [edge("start", "call")]}
    assert platform.request("PATCH", f"/api/workflows/{handler}/", json=body).status_code == 200
    execution = execute(platform, bad, {})
    assert until(platform, execution)["status"] == "failed"
    (started,) = handled(platform, handler)
    assert until(platform, started["id"])["status"] == "failed"
    (inner,) = children(platform, started["id"])
    assert look(platform, inner["id"])["status"] == "failed"
    marks = (
        f"SELECT count(*) FROM executions_execution WHERE follow_up_due AND id IN ('{inner['id']}', '{started['id']}')"
    )
    wait_until(lambda: query(platform, marks) == 0, "The follow-ups")
    assert len(handled(platform, handler)) == 1


def test_statuses_of_nodes_say_that_a_parent_waits(platform: Platform) -> None:
    child = child_workflow(platform, node("pause", "wait", seconds=3600))
    execution = execute(platform, parent_workflow(platform, child), {})
    until(platform, execution, "waiting")
    assert node_statuses(platform, execution)["call"] == "waiting"
    (made,) = children(platform, execution)
    platform.request("POST", f"/api/executions/{made['id']}/cancel/", json={})
    ended = until(platform, execution)
    assert ended["error"]["message"] == f"The execution {made['id']} ended with status cancelled."
