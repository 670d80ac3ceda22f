"""One trace, from the request that came in to the receiver's answer; found from whatever stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.answering import answering
from tests.conftest import Platform
from tests.executing import save, until
from tests.people import Person
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


@dataclass
class Run:
    """An execution that a webhook started, with a child; its node and its events were delivered."""

    execution: str
    endpoint: str
    url: str


@pytest.fixture(scope="module")
def traced(platform: Platform) -> Iterator[Run]:
    with answering() as server:
        server.open()
        server.open("?token=not-for-everybody")
        server.statuses = [503]
        yield run_with_a_webhook(platform, server.url)


def run_with_a_webhook(platform: Platform, url: str) -> Run:
    child = save(
        platform, [node("start", "manual_trigger"), node("last", "no_op")], [edge("start", "last")], name="Child"
    )
    path = f"traced-{uuid4().hex[:8]}"
    quickly = {"preset": "custom", "delays_seconds": [0.05, 0.05]}
    nodes = [
        node("in", "webhook_trigger", path=path, methods=["POST"]),
        node("call", "execute_workflow", workflow=child),
        node("out", "send_webhook", url=url + "?token=not-for-everybody", wait=True, retry=quickly),
        node("well", "no_op"),
    ]
    edges = [edge("in", "call"), edge("call", "out"), edge("out", "well", "delivered")]
    workflow = save(platform, nodes, edges, name="Orders", active=True)
    answer = platform.request(
        "POST",
        "/api/webhooks/endpoints/",
        json={"name": "Ledger", "url": url, "event_types": ["execution.node_completed"], "workflow": workflow},
    )
    assert answer.status_code == 201, answer.text
    sent = requests.post(f"{platform.url}/hooks/{path}", json={"order": 7}, timeout=240)
    assert sent.status_code in {200, 202}, sent.text
    found = platform.query("SELECT execution_id FROM webhooks_inboundrequest WHERE path = %s", path)
    execution = str(found[0][0])
    assert until(platform, execution)["status"] == "completed"
    undone = "SELECT count(*) FROM webhooks_delivery WHERE execution_id = %s AND ended_at IS NULL"
    wait_until(lambda: platform.query(undone, execution) == [(0,)], "All deliveries")
    return Run(execution, answer.json()["id"], url)


def ask(platform: Platform, path: str) -> dict[str, Any]:
    answer = platform.request("GET", path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_request_leads_to_the_last_answer(platform: Platform, traced: Run) -> None:
    found = ask(platform, f"/api/executions/{traced.execution}/trace/")
    parent, child = found["executions"]
    assert (parent["id"], parent["workflow_name"], parent["parent"]) == (traced.execution, "Orders", None)
    assert [(request["method"], request["accepted"]) for request in parent["inbound"]] == [("POST", True)]
    assert (child["workflow_name"], child["parent"], child["parent_node"]) == ("Child", traced.execution, "call")
    runs = {run["node"]: run for run in parent["node_runs"]}
    assert list(runs) == ["in", "call", "out", "well"]
    assert runs["call"]["children"] == [child["id"]]
    (sent,) = runs["out"]["deliveries"]
    assert (sent["status"], sent["attempts_made"], sent["url"]) == ("delivered", len(sent["attempts"]), traced.url)
    assert sent["attempts"][-1]["status_code"] == 200
    assert sent["attempts"][-1]["response"].startswith("{")
    (event,) = runs["out"]["events"]
    assert event["type"] == "execution.node_completed"
    assert [(d["endpoint"], d["endpoint_name"], d["status"]) for d in event["deliveries"]] == [
        (traced.endpoint, "Ledger", "delivered")
    ]
    assert found["left_out"] == {"executions": 0, "node_runs": 0, "deliveries": 0}
    assert "not-for-everybody" not in str(found)


def test_it_is_found_from_each_of_its_parts(platform: Platform, traced: Run) -> None:
    whole = ask(platform, f"/api/executions/{traced.execution}/trace/")
    parent, child = whole["executions"]
    out = next(run for run in parent["node_runs"] if run["node"] == "out")
    parts = {
        "execution": child["id"],
        "inbound": parent["inbound"][0]["id"],
        "delivery": out["deliveries"][0]["id"],
        "event": out["events"][0]["id"],
    }
    for kind, pk in parts.items():
        assert ask(platform, f"/api/trace/?{kind}={pk}")["executions"] == whole["executions"], kind
        assert platform.request("GET", f"/api/trace/?{kind}={uuid4()}").status_code == 404
    assert platform.request("GET", "/api/trace/").status_code == 400
    assert platform.request("GET", f"/api/trace/?event={uuid4()}&delivery={uuid4()}").status_code == 400
    assert platform.request("GET", "/api/trace/?event=x").status_code == 400


def test_a_delivery_that_no_execution_caused_has_a_trace_too(platform: Platform, traced: Run) -> None:
    made = platform.request("POST", f"/api/webhooks/endpoints/{traced.endpoint}/test/", json={})
    assert made.status_code in {200, 201, 202}, made.text
    found = ask(platform, f"/api/trace/?delivery={made.json()['id']}")
    assert found["executions"] == []
    assert [d["id"] for d in found["loose"]["deliveries"]] + [
        d["id"] for e in found["loose"]["events"] for d in e["deliveries"]
    ] == [made.json()["id"]]


def test_a_stranger_is_told_of_nothing(platform: Platform, traced: Run) -> None:
    parent = ask(platform, f"/api/executions/{traced.execution}/trace/")["executions"][0]
    out = next(run for run in parent["node_runs"] if run["node"] == "out")
    stranger, viewer = Person(platform, None), Person(platform, "viewer")
    for path in (
        f"executions/{traced.execution}/trace/", f"trace/?delivery={out['deliveries'][0]['id']}",
        f"trace/?inbound={parent['inbound'][0]['id']}", f"trace/?event={out['events'][0]['id']}",
    ):  # fmt: skip
        assert stranger.request("GET", f"/api/{path}").status_code == 404
        assert viewer.request("GET", f"/api/{path}").status_code == 200
