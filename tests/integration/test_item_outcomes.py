"""What comes of each item of a node: where it goes on, what a retry repeats, and what is told meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from executions.domain.statuses import NodeRunStatus
from executions.engine import kept_outcomes
from executions.lifecycle import create_execution
from executions.models import Execution, ItemOutcome, NodeRun, Trigger
from tests.answering import Answering, answering
from tests.engine import COMMITS, make_workflow, run_here
from tests.recording import read_stream
from tests.workflows import edge, node


@pytest.fixture
def server(settings: Any) -> Iterator[Answering]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    with answering() as server:
        server.open()
        yield server


def make(server: Answering, count: int = 3, **of_node: Any) -> Execution:
    """Queue an execution that asks the server once for each item."""
    ask = node("ask", "http_request", method="POST", url=server.url, body="{{ $json.i }}") | of_node
    edges = [edge("start", "ask"), edge("ask", "good")]
    edges += [edge("ask", "bad", "error")] if of_node.get("on_error") == "route" else []
    nodes = [node("start", "manual_trigger"), ask, node("good", "no_op")]
    workflow = make_workflow([*nodes, *([node("bad", "no_op")] if len(edges) > 2 else [])], edges)
    return create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=[{"i": i} for i in range(count)])


def asked(execution: Execution) -> tuple[NodeRun, dict[str, Any]]:
    """Return the node run and its outputs."""
    run = NodeRun.objects.get(execution=execution, node_id="ask")
    return run, run.output or {}


def about(execution: Execution, kind: str) -> list[dict[str, Any]]:
    events = read_stream(execution.stream.name)
    return [event["data"] for event in events if event["type"] == f"execution.{kind}"]


@COMMITS
def test_items_that_fail_leave_by_error_and_the_others_by_main(server: Answering, monkeypatch: Any) -> None:
    monkeypatch.setattr(kept_outcomes, "PROGRESS_SECONDS", 0)
    server.statuses = [200, 404, 200]
    execution = run_here(make(server, on_error="route"))
    run, output = asked(execution)
    assert (execution.status, run.status, run.error, run.failed_items) == ("completed", "completed", None, 1)
    assert [item["body"]["asked"] for item in output["main"]] == [1, 3]
    (failed,) = output["error"]
    assert (failed["i"], failed["error"]["type"]) == (1, "NodeError")
    assert "404" in failed["error"]["message"]
    assert len(server.asked) == 3
    (completed,) = [data for data in about(execution, "node_completed") if data["node"] == "ask"]
    assert (completed["outputs"], completed["failed_items"]) == ({"main": 2, "error": 1}, 1)
    progress = [data["items"] for data in about(execution, "progress") if data["items"]]
    assert {"node": "ask", "run_index": 0, "completed": 2, "failed": 1, "total": 3} in progress
    (log,) = about(execution, "log")
    assert (log["level"], log["message"][:20]) == ("warning", "1 of 3 items failed.")


@COMMITS
def test_items_that_fail_keep_their_place_where_the_node_continues(server: Answering) -> None:
    server.statuses = [200, 404, 200]
    _, output = asked(run_here(make(server, on_error="continue")))
    assert [("error" in item, item.get("i")) for item in output["main"]] == [
        (False, None),
        (True, 1),
        (False, None),
    ]


@COMMITS
def test_an_item_that_cannot_be_stored_fails_alone() -> None:
    values = {"text": "{{ $json.i === 1 ? 'a' + String.fromCharCode(0) : 'a\\\\u0000' }}"}
    nodes = [node("start", "manual_trigger"), node("ask", "set", fields=values) | {"on_error": "route"}]
    workflow = make_workflow(nodes, [edge("start", "ask")])
    _, output = asked(
        run_here(create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=[{"i": i} for i in range(3)]))
    )
    assert [item["text"] for item in output["main"]] == ["a\\u0000"] * 2  # a backslash, and no escape
    assert [item["i"] for item in output["error"]] == [1]


@COMMITS
def test_a_node_of_which_every_item_fails_has_failed(server: Answering) -> None:
    server.statuses = [404, 410]
    execution = run_here(make(server, 2, on_error="route"))
    run, output = asked(execution)
    assert (execution.status, run.status) == ("completed", "failed")
    assert [item["error"]["message"][-4:-1] for item in output["error"]] == ["404", "410"]
    assert "404" in (run.error or {})["message"]


@COMMITS
def test_a_node_that_stops_makes_no_call_after_the_first_that_fails(server: Answering) -> None:
    server.statuses = [200, 404]
    execution = run_here(make(server))
    assert (execution.status, asked(execution)[0].status, len(server.asked)) == ("failed", "failed", 2)
    assert not ItemOutcome.objects.exists()


@COMMITS
@pytest.mark.parametrize(("on_error", "bodies"), [("stop", "01123"), ("route", "01231")])
def test_a_retry_repeats_only_the_items_that_have_not_succeeded(server: Answering, on_error: str, bodies: str) -> None:
    server.statuses = [200, 503]
    run, output = asked(run_here(make(server, 4, on_error=on_error, retry={"attempts": 2, "delay_ms": 1})))
    assert (run.status, run.attempt, len(output["main"]), run.failed_items) == ("completed", 2, 4, 0)
    assert b"".join(server.bodies).decode() == bodies
    keys = [each["idempotency-key"] for each in server.asked]
    assert len(set(keys)) == 4


@COMMITS
def test_a_retry_after_a_wait_without_the_lease_repeats_only_what_has_not_succeeded(server: Answering) -> None:
    server.statuses = [200, 503, 404]
    execution = make(server, 4, on_error="route", retry={"attempts": 2, "delay_ms": 3000, "jitter": False})
    execution = run_here(execution)
    assert (execution.status, ItemOutcome.objects.count()) == ("waiting", 3)
    NodeRun.objects.filter(status=NodeRunStatus.WAITING).update(wake_at=execution.queued_at)
    Execution.objects.update(resume_at=execution.queued_at)
    run, output = asked(run_here(execution))
    assert b"".join(server.bodies) == b"01231"
    assert ([item["body"]["asked"] for item in output["main"]], run.failed_items) == ([1, 5, 4], 1)
    assert not ItemOutcome.objects.exists()
