"""A failed node run keeps what was sent, what came back and where its expression failed; secrets are in none of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from executions.lifecycle import create_execution
from executions.models import Execution, NodeRun, Trigger
from tests.answering import Answering, answering
from tests.engine import COMMITS, make_workflow, run_here
from tests.folding import check
from tests.integration.test_history_api import client, get
from tests.workflows import edge, node

BODY_BYTES = 16_000
SECRETS = ("hunter2-of-the-item", "sesame-of-the-vars", "sid-of-the-answer", "token-of-the-answer")


@pytest.fixture
def server(settings: Any) -> Iterator[Answering]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    with answering() as server:
        server.open()
        yield server


def listed(execution: Execution) -> dict[str, dict[str, Any]]:
    found = get(client("tests"), path=f"/api/executions/{execution.pk}/nodes/")
    return {row["node"]: row for row in found}


def events_of(execution: Execution) -> list[dict[str, Any]]:
    return list(get(client("tests"), path=f"/api/executions/{execution.pk}/events/?limit=1000")["events"])


@COMMITS
def test_a_failed_request_tells_what_was_sent_and_what_came_back_without_secrets(server: Answering) -> None:
    server.statuses = [503, 503]
    server.headers = {"Set-Cookie": f"session={SECRETS[2]}", "X-Reason": "quota"}
    server.answer = {"reason": "quota exceeded", "access_token": SECRETS[3], "trace": "t" * 20_000}
    body = {"order": "{{ $json.order }}", "note": "key {{ $json.password }}"}
    ask = node(
        "ask", "http_request", method="POST", url=server.url, body=body, headers={"X-Order": "{{ $json.order }}"},
        query={"v": "{{ $vars.api_key }}"},
    ) | {"retry": {"attempts": 2, "delay_ms": 1}}  # fmt: skip
    workflow = make_workflow(
        [node("start", "manual_trigger"), ask], [edge("start", "ask")], vars={"api_key": SECRETS[1]}
    )
    server.gates[f"/?v={SECRETS[1]}"].set()
    items = [{"order": 7, "password": SECRETS[0]}]
    execution = run_here(create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=items))
    assert execution.status == "failed"

    row = listed(execution)["ask"]
    error, response = row["error"], row["error"]["response"]
    assert (error["type"], error["retryable"], response["status"]) == ("NodeError", True, 503)
    assert (response["headers"]["x-reason"], response["headers"]["set-cookie"]) == ("quota", "***")
    assert response["body"].startswith('{"reason":"quota exceeded","access_token":"***","trace":"ttt')
    assert (len(response["body"].encode()), response["truncated"]) == (BODY_BYTES, True)
    assert row["parameters"]["body"] == {"order": 7, "note": "key ***"}
    assert (row["parameters"]["method"], row["parameters"]["headers"]) == ("POST", {"X-Order": 7})
    assert (row["parameters"]["query"], row["parameters_item"]) == ({"v": "***"}, 0)
    assert row["parameters_truncated"] is False

    shown = get(client("tests"), path=f"/api/executions/{execution.pk}/nodes/ask/output/?relations=true")
    (earlier,) = shown["attempts"]
    assert (earlier["attempt"], earlier["error"]["response"]["status"]) == (1, 503)
    assert shown["sources"] == [{"input": "main", "node": "start", "run_index": 0, "output": "main", "items": 1}]
    assert shown["deliveries"]["count"] == 0
    again = run_here(create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=[{"order": 8}]))
    assert again.status == "completed"
    similar = get(client("tests"), path=f"/api/executions/{execution.pk}/nodes/ask/similar-failures/")
    assert (similar["count"], similar["more"], similar["executions"]) == (1, False, [])

    told = events_of(execution)
    failed = [event["data"]["error"] for event in told if "error" in event["data"]]
    assert len(failed) == 3
    assert all("response" not in each for each in failed)
    run = NodeRun.objects.get(execution=execution, node_id="ask")
    everything = json.dumps([row, shown, told, run.error, run.parameters, run.attempts, execution.error])
    kept_by_editors = json.dumps(shown["inputs"])  # editors see the items
    for secret in SECRETS:
        assert secret not in everything.replace(kept_by_editors, "")
    api = get(client("tests"), path=f"/api/executions/{execution.pk}/")
    check(api, list(listed(execution).values()), told)


@COMMITS
def test_a_failed_expression_is_named_and_its_siblings_are_shown() -> None:
    fields = {"good": "{{ $json.n + 1 }}", "bad": ["x", "a {{\n  $json.user.name }}"]}
    nodes = [node("start", "manual_trigger"), node("seen", "set", fields=fields) | {"on_error": "route"}]
    workflow = make_workflow(nodes, [edge("start", "seen")])
    items: list[dict[str, Any]] = [{"n": 1, "user": {"name": "Ann"}}, {"n": 2}]
    execution = run_here(create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=items))
    assert execution.status == "completed"
    run = NodeRun.objects.get(execution=execution, node_id="seen")
    (failed,) = (run.output or {})["error"]
    assert failed["error"]["expression"] == {
        "parameter": "parameters.fields.bad[1]", "source": "{{\n  $json.user.name }}", "item": 1,
        "line": 2, "column": 3,
    }  # fmt: skip
    row = listed(execution)["seen"]
    assert (row["parameters_item"], row["failed_items"]) == (1, 1)
    assert row["parameters"]["fields"]["good"] == 3
    assert row["parameters"]["fields"]["bad"][1] == "a {{\n  $json.user.name }}"

    stops = [nodes[0], node("seen", "set", fields={"bad": "{{ $json.user.name }}"}, keep_other_fields="{{ true }}")]
    workflow = make_workflow(stops, [edge("start", "seen")])
    stopped = run_here(create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=items))
    row = listed(stopped)["seen"]
    assert row["error"]["expression"] == {
        "parameter": "parameters.fields.bad", "source": "{{ $json.user.name }}", "item": 1, "line": 1, "column": 4,
    }  # fmt: skip
    assert row["parameters"] == {"fields": {"bad": "{{ $json.user.name }}"}, "keep_other_fields": True}
    assert (stopped.error or {})["expression"] == row["error"]["expression"]
    check(
        get(client("tests"), path=f"/api/executions/{stopped.pk}/"), list(listed(stopped).values()), events_of(stopped)
    )
    lines = get(client("tests"), path=f"/api/executions/{execution.pk}/nodes/seen/logs/")["lines"]
    assert [(line["level"], line["message"][:22]) for line in lines] == [("warning", "1 of 2 items failed. T")]
