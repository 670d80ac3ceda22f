"""Workers that die or freeze while they hold an execution."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.folding import read_history
from tests.watching import watch
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes


def start_asking(platform: Platform, url: str) -> dict[str, Any]:
    """Start an execution whose third node asks the server, with two finished nodes before it."""
    definition = {
        "name": "Asks a slow server",
        "nodes": [
            node("start", "manual_trigger"),
            node("before", "code", code="return [{ n: 1 }]"),
            node("ask", "http_request", method="POST", url=url, body={"n": "{{ $json.n }}"}, timeout_seconds=60),
            node("after", "set", fields={"answered": "{{ $json.body.asked }}"}, keep_other_fields=False),
        ],
        "edges": [edge("start", "before"), edge("before", "ask"), edge("ask", "after")],
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    execution = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={}).json()
    return dict(execution)


def holder(platform: Platform, execution: dict[str, Any]) -> int:
    """Return the process that holds the execution."""
    worker = platform.request("GET", f"/api/executions/{execution['id']}/").json()["worker"]
    return int(worker.rsplit(":", 1)[1])


def check_recovered(platform: Platform, server: Answering, execution: dict[str, Any]) -> list[dict[str, Any]]:
    """Wait for the end and check that nothing was lost, and nothing finished was done again."""
    stream = watch(platform.ws_url, platform.token, execution["stream"])
    events = asyncio.run(asyncio.wait_for(stream, 240))
    assert events == read_history(platform, execution["id"])
    assert events[-1]["type"] == "execution.completed"
    (recovered,) = (event["data"] for event in events if event["type"] == "execution.recovered")
    assert (recovered["completed_nodes"], recovered["restarted_nodes"]) == (2, ["ask"])
    completed = [event["data"]["node"] for event in events if event["type"] == "execution.node_completed"]
    assert completed == ["start", "before", "ask", "after"]
    assert len(server.asked) == 2
    assert server.asked[0]["idempotency-key"] == server.asked[1]["idempotency-key"]
    return events


@pytest.fixture
def server() -> Any:
    with answering() as found:
        yield found


def test_a_killed_workers_execution_goes_on_from_its_checkpoint(platform: Platform, server: Answering) -> None:
    execution = start_asking(platform, server.url)
    wait_until(lambda: len(server.asked) == 1, "The first request")
    os.kill(holder(platform, execution), signal.SIGKILL)
    server.open()
    check_recovered(platform, server, execution)
    platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "worker"))


def test_a_frozen_worker_that_wakes_writes_nothing(platform: Platform, server: Answering) -> None:
    execution = start_asking(platform, server.url)
    wait_until(lambda: len(server.asked) == 1, "The first request")
    frozen = holder(platform, execution)
    os.kill(frozen, signal.SIGSTOP)
    try:
        wait_until(lambda: len(server.asked) == 2, "The second request, by the other worker")
        server.open()
        events = check_recovered(platform, server, execution)
    finally:
        os.kill(frozen, signal.SIGCONT)
    # Awake again, the worker takes part: run until it has held an execution, then look at the first one's history.
    wait_until(lambda: frozen in {holder(platform, ended) for ended in run_some(platform, 4)}, "The woken worker")
    assert read_history(platform, execution["id"]) == events


def test_the_items_that_a_killed_worker_has_sent_are_not_sent_again(platform: Platform, server: Answering) -> None:
    items, sent = 200, 100
    server.free = sent
    definition = {
        "name": "Sends many",
        "nodes": [
            node("start", "manual_trigger"),
            node("send", "http_request", method="POST", url=server.url, body="{{ $json.i }}", timeout_seconds=60),
        ],
        "edges": [edge("start", "send")],
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    body = {"input": [{"i": i} for i in range(items)]}
    execution = platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json()
    wait_until(lambda: len(server.asked) == sent + 1, "The request that is in flight")
    os.kill(holder(platform, execution), signal.SIGKILL)
    server.open()
    events = asyncio.run(asyncio.wait_for(watch(platform.ws_url, platform.token, execution["stream"]), 240))
    platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "worker"))
    assert events[-1]["type"] == "execution.completed"
    # The one that was in flight is the only one that is sent twice, under its key.
    assert [int(each) for each in server.bodies] == [*range(sent + 1), *range(sent, items)]
    assert len({each["idempotency-key"] for each in server.asked}) == items
    path = f"/api/executions/{execution['id']}/nodes/send/output/?limit=1000"
    outputs = platform.request("GET", path).json()["outputs"]["main"]
    assert [item["body"]["asked"] for item in outputs] == [*range(1, sent + 1), *range(sent + 2, items + 2)]


def run_some(platform: Platform, count: int) -> list[dict[str, Any]]:
    definition = {"name": "Short", "nodes": [node("start", "manual_trigger")], "edges": []}
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    path = f"/api/workflows/{workflow}/execute/"
    return [platform.request("POST", path, json={"wait": 30}).json() for _ in range(count)]
