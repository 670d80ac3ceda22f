"""`execute_workflow` in mode `each`: a child execution for every item, some at a time, each with its own outcome."""

from __future__ import annotations

from typing import Any

from tests.answering import answering
from tests.conftest import Platform
from tests.executing import events, execute, output, query, save, until
from tests.folding import check_history
from tests.integration.test_sub_workflows import child_workflow
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


def each_workflow(platform: Platform, workflow: str, of_node: dict[str, Any] | None = None, **parameters: Any) -> str:
    """Save a workflow that starts the other one for each of its items."""
    call = node("call", "execute_workflow", workflow=workflow, mode="each", **parameters) | (of_node or {})
    edges = [edge("start", "call"), edge("call", "good")]
    nodes = [node("start", "manual_trigger"), call, node("good", "no_op")]
    if call.get("on_error") == "route":
        nodes, edges = [*nodes, node("bad", "no_op")], [*edges, edge("call", "bad", "error")]
    return save(platform, nodes, edges, name="Calls for each item")


def started(platform: Platform, execution: str, **query: Any) -> dict[str, Any]:
    """Return the children of the node that starts them, as the API lists them."""
    path = f"/api/executions/{execution}/nodes/call/children/"
    answer = platform.request("GET", path, params={"limit": 200} | query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def items(count: int) -> list[dict[str, Any]]:
    return [{"n": n} for n in range(count)]


def most_at_once(rows: list[dict[str, Any]]) -> int:
    """Return how many of the executions existed without an end at the same time."""
    return max(sum(a["queued_at"] <= b["queued_at"] < a["ended_at"] for a in rows) for b in rows)


def test_each_item_has_a_child_and_an_outcome_of_its_own(platform: Platform) -> None:
    code = "if ($json.n % 5 === 3) throw new Error('No ' + $json.n); return [{n: $json.n * 2}, {n: 'also'}]"
    child = child_workflow(platform, node("double", "code", code=code))
    workflow = each_workflow(platform, child, {"on_error": "route"}, at_once=3)
    execution = execute(platform, workflow, *items(10))
    assert until(platform, execution)["status"] == "completed"
    assert [item["n"] for item in output(platform, execution, "good")["main"][::2]] == [0, 2, 4, 8, 10, 12, 14, 18]
    failed = output(platform, execution, "bad")["main"]
    assert [(item["n"], "No 3" in item["error"]["message"]) for item in failed] == [(3, True), (8, False)]
    made = started(platform, execution)
    assert (made["counts"], made["planned"], made["next"]) == ({"completed": 8, "failed": 2}, 0, None)
    rows = made["results"]
    assert sorted((row["item"], row["attempt"]) for row in rows) == [(n, 1) for n in range(10)]
    assert 1 < most_at_once(rows) <= 3
    assert [row["item"] for row in started(platform, execution, status="failed")["results"]] == [8, 3]
    path = f"/api/executions/{execution}/nodes/call/output/?lineage=true"
    lineage = platform.request("GET", path).json()["lineage"]
    assert [origin["item"] for (origin,) in lineage["main"]] == [n for n in range(10) if n % 5 != 3 for _ in "ab"]
    assert [origin["item"] for (origin,) in lineage["error"]] == [3, 8]
    progress = [data["items"] for data in events(platform, execution, "progress") if data.get("items")]
    assert [each["completed"] for each in progress] == list(range(1, 10))
    (waits,) = events(platform, execution, "node_waiting")
    assert waits["reason"].startswith("Waiting for 10 executions of 'Child ")
    assert waits["reason"].endswith("', at most 3 at a time.")
    left = f"SELECT count(*) FROM executions_itemchild c JOIN executions_noderun r ON r.id = c.node_run_id WHERE \
        r.execution_id = '{execution}' AND (c.outcome IS NOT NULL OR c.input IS NOT NULL OR c.ended_at IS NULL)"
    assert query(platform, left) == 0
    check_history(platform, execution)


def test_a_retry_starts_children_only_for_items_that_have_not_succeeded(platform: Platform) -> None:
    with answering() as server:
        server.open()
        server.statuses = [200, 503]
        child = child_workflow(platform, node("ask", "http_request", method="POST", url=server.url))
        for on_error in ("route", "stop"):
            server.statuses = [200, 503]
            of_node = {"on_error": on_error, "retry": {"attempts": 2, "delay_ms": 10}}
            execution = execute(platform, each_workflow(platform, child, of_node, at_once=1), *items(3))
            assert until(platform, execution)["status"] == "completed"
            assert len(output(platform, execution, "good")["main"]) == 3
            attempts = [(row["item"], row["attempt"]) for row in reversed(started(platform, execution)["results"])]
            # With `stop` nothing starts after a failure; the retry goes on from there.
            later = [(2, 1), (1, 2)] if on_error == "route" else [(1, 2), (2, 2)]
            assert attempts == [(0, 1), (1, 1), *later]


def test_a_node_that_stops_ends_its_execution_and_the_children_that_run(platform: Platform) -> None:
    code = "if ($json.n === 1) throw new Error('No.'); return [$json]"
    child = child_workflow(platform, node("check", "code", code=code), node("pause", "wait", seconds=3600))
    execution = execute(platform, each_workflow(platform, child, at_once=2), *items(4))
    ended = until(platform, execution)
    assert (ended["status"], "No." in ended["error"]["message"]) == ("failed", True)
    wait_until(lambda: started(platform, execution)["counts"].get("cancelled") == 1, "The end of the other child")
    made = started(platform, execution)
    assert (made["counts"], made["planned"]) == ({"failed": 1, "cancelled": 1}, 2)


def test_a_cancellation_reaches_all_children_and_starts_none(platform: Platform) -> None:
    child = child_workflow(platform, node("pause", "wait", seconds=3600))
    execution = execute(platform, each_workflow(platform, child, at_once=3), *items(5))
    until(platform, execution, "waiting")
    wait_until(lambda: started(platform, execution)["counts"].get("waiting") == 3, "Three waiting children")
    platform.request("POST", f"/api/executions/{execution}/cancel/", json={})
    assert until(platform, execution)["status"] == "cancelled"
    wait_until(lambda: started(platform, execution)["counts"] == {"cancelled": 3}, "Three cancelled children")
    assert started(platform, execution)["planned"] == 2
    check_history(platform, execution)


def test_a_paused_parent_starts_no_child_until_it_is_resumed(platform: Platform) -> None:
    child = child_workflow(platform, node("pause", "wait", seconds=3600))
    execution = execute(platform, each_workflow(platform, child, {"on_error": "continue"}, at_once=1), *items(2))
    until(platform, execution, "waiting")
    platform.request("POST", f"/api/executions/{execution}/pause/", json={})
    (first,) = started(platform, execution)["results"]
    platform.request("POST", f"/api/executions/{first['id']}/cancel/", json={})
    ended = f"SELECT count(*) FROM executions_itemchild WHERE child_id = '{first['id']}' AND ended_at IS NOT NULL"
    wait_until(lambda: query(platform, ended) == 1, "The first end")
    assert started(platform, execution)["planned"] == 1
    platform.request("POST", f"/api/executions/{execution}/resume/", json={})
    wait_until(lambda: len(started(platform, execution)["results"]) == 2, "The second child")
    second = started(platform, execution)["results"][0]["id"]
    platform.request("POST", f"/api/executions/{second}/cancel/", json={})
    assert until(platform, execution)["status"] == "completed"
    assert len(output(platform, execution, "good")["main"]) == 2


def test_without_waiting_each_item_goes_on_with_the_id_of_its_child(platform: Platform) -> None:
    child = child_workflow(platform)
    workflow = each_workflow(platform, "{{ $json.workflow }}", {"on_error": "route"}, wait=False)
    names = [{"workflow": child}, {"workflow": "Nowhere"}, {"workflow": child}]
    execution = execute(platform, workflow, *names)
    assert until(platform, execution)["status"] == "completed"
    rows = {row["item"]: row for row in started(platform, execution)["results"]}
    given = output(platform, execution, "good")["main"]
    assert [item["execution"] for item in given] == [rows[0]["id"], rows[2]["id"]]
    (bad,) = output(platform, execution, "bad")["main"]
    assert bad["error"]["message"].startswith("parameters.workflow: This workspace has no workflow")
    for row in rows.values():
        assert until(platform, row["id"])["status"] == "completed"
