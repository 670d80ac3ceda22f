"""Each node run has the digest of its output; that of a network node also says what was sent and what came back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from executions.engine.rows import digest_of_outputs
from executions.lifecycle import create_execution
from executions.models import Execution, NodeRun, Trigger
from tests.answering import Answering, answering
from tests.engine import COMMITS, make_workflow, run_here
from tests.integration.test_history_api import client, get
from tests.workflows import edge, node


@pytest.fixture
def server(settings: Any) -> Iterator[Answering]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    with answering() as server:
        server.open()
        yield server


def rows(execution: Execution) -> dict[str, dict[str, Any]]:
    found = get(client("tests"), path=f"/api/executions/{execution.pk}/nodes/")
    return {row["node"]: row for row in found}


@COMMITS
def test_digests_tell_what_is_equal_and_exchanges_what_was_said(server: Answering) -> None:
    ask = node(
        "ask", "http_request", method="POST", url=server.url + "?api_key=hidden&a=1", body="{{ $json }}",
        headers={"Authorization": "Bearer abc123def456"},
    ) | {"retry": {"attempts": 2, "delay_ms": 1}, "on_error": "continue"}  # fmt: skip
    many = node("many", "code", code="return Array.from({length: 200}, (_, n) => ({n, t: 'x'.repeat(200)}))")
    workflow = make_workflow([node("start", "manual_trigger"), ask, many], [edge("start", "ask"), edge("ask", "many")])

    def run(*items: dict[str, Any]) -> Execution:
        execution = create_execution(workflow=workflow, trigger=Trigger.MANUAL, input=list(items))
        assert run_here(execution).status == "completed"
        return execution

    server.gates["/?api_key=hidden&a=1"].set()
    server.statuses = [200, 503, 200]
    one = run({"id": 1, "name": "x", "password": "hunter2"}, {"id": 2})
    other = run({"password": "hunter2", "name": "x", "id": 1.0}, {"id": 2})
    third = run({"id": 3})
    first, second, different = rows(one), rows(other), rows(third)
    for name in ("start", "many"):
        assert first[name]["digest"] == second[name]["digest"] != ""
    assert first["start"]["digest"] != different["start"]["digest"]
    assert first["ask"]["digest"] != second["ask"]["digest"]  # the server counts
    assert first["start"]["request_digest"] is None
    large = NodeRun.objects.get(execution=one, node_id="many")
    assert large.digest == digest_of_outputs(large.output)  # stored when it was first asked for
    assert first["many"]["digest"] not in {large.digest, None}

    shown = get(client("tests"), path=f"/api/executions/{one.pk}/nodes/ask/output/")
    assert shown["digest"] == first["ask"]["digest"]
    exchange = shown["exchange"]
    assert exchange["count"] == 2
    kept, repeated = exchange["exchanges"]
    assert (kept["item"], kept["attempt"], repeated["item"], repeated["attempt"]) == (0, 1, 1, 2)
    assert kept["request"]["body"] == '{"id":1,"name":"x","password":"***"}'
    assert (kept["answer"]["status"], kept["answer"]["body"]) == (200, '{"asked": 1}')
    assert "hidden" not in str(exchange)
    assert "abc123def456" not in str(exchange)
    plain = NodeRun.objects.get(execution=one, node_id="ask")
    assert kept["digest"] != (plain.exchange or {})["exchanges"][0]["digest"]
    assert first["ask"]["request_digest"] != different["ask"]["request_digest"]
