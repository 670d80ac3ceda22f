"""The outside check: executions run, and whoever watches holds exactly what history holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from websockets.asyncio.client import connect

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.folding import check_history, read_history
from tests.watching import Events, watch, watch_all
from tests.workflows import TWELVE_NODES, TWELVE_NODES_RESULT, edge, gated, node
from workflow_platform.installation.embedded import wait_until

EXECUTIONS = CLIENTS = 20


@pytest.fixture(scope="module")
def workflow(platform: Platform) -> str:
    created = platform.request("POST", "/api/workflows/", json=TWELVE_NODES)
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found


def start(platform: Platform, workflow: str, **body: Any) -> dict[str, Any]:
    answer = platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body)
    assert answer.status_code in {200, 202}, answer.text
    return dict(answer.json())


async def test_every_client_holds_exactly_the_history(platform: Platform, server: Answering) -> None:
    """Every execution stands at its first gate when the early half of the clients has joined, and at its second one,
    in the middle, when the late half has."""
    created = platform.request("POST", "/api/workflows/", json=gated(server.url))
    assert created.status_code == 201, created.text
    executions = await asyncio.to_thread(lambda: [start(platform, created.json()["id"]) for _ in range(EXECUTIONS)])
    streams = [execution["stream"] for execution in executions]
    joined: dict[int, dict[str, int]] = {}

    def watcher(client: int) -> asyncio.Task[dict[str, Events]]:
        def on_live(at: dict[str, int]) -> None:
            joined[client] = at

        cut = 0.2 if client % 3 == 0 else 0
        return asyncio.create_task(
            watch_all(platform.ws_url, platform.token, streams, cut=cut, seed=client, on_live=on_live)
        )

    async def at_the_gate(path: str, clients: range) -> None:
        def reached() -> bool:
            # By key: a request whose worker was too slow to keep its lease is sent again.
            asked = {request["idempotency-key"] for request in server.asked if request["path"] == path}
            return len(asked) == EXECUTIONS and all(client in joined for client in clients)

        await asyncio.to_thread(wait_until, reached, f"Executions and clients at {path}", 120)

    early, late = range(CLIENTS // 2), range(CLIENTS // 2, CLIENTS)
    watchers = [watcher(client) for client in early]
    await at_the_gate("/first", early)
    server.open("first")
    await at_the_gate("/second", early)
    watchers += [watcher(client) for client in late]
    await at_the_gate("/second", late)
    server.open("second")
    async with asyncio.timeout(240):
        held = await asyncio.gather(*watchers)
    for execution in executions:
        kept = await asyncio.to_thread(read_history, platform, execution["id"])
        assert [event["sequence"] for event in kept] == list(range(1, len(kept) + 1))
        assert (kept[0]["type"], kept[-1]["type"]) == ("execution.queued", "execution.completed")
        middle = next(
            e["sequence"] for e in kept if e["type"] == "execution.node_started" and e["data"]["node"] == "pause"
        )
        for client, events in enumerate(held):
            assert events[execution["stream"]] == kept
            came = joined[client][execution["stream"]]
            assert (middle <= came < len(kept)) if client in late else came < middle


def test_branches_loop_and_merge_give_their_items(platform: Platform, workflow: str) -> None:
    execution = start(platform, workflow, wait=30)
    assert execution["status"] == "completed", execution
    output = platform.request("GET", f"/api/executions/{execution['id']}/nodes/report/output/").json()
    assert output["outputs"]["main"] == [{"numbers": TWELVE_NODES_RESULT}]
    assert output["inputs"]["main"] == TWELVE_NODES_RESULT
    check_history(platform, execution["id"])


async def test_the_feed_tells_of_every_execution_once(platform: Platform, workflow: str) -> None:
    headers = {"Authorization": f"Bearer {platform.token}"}
    async with connect(platform.ws_url, additional_headers=headers, max_size=None) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": "executions", "after": 0}))
        while (frame := json.loads(await asyncio.wait_for(socket.recv(), 240)))["type"] != "live":
            pass
        started = await asyncio.to_thread(start, platform, workflow)
        told: list[str] = []
        while "execution.completed" not in told:
            frame = json.loads(await asyncio.wait_for(socket.recv(), 240))
            told += [e["type"] for e in frame["events"] if e["execution_id"] == started["id"]]
    assert told == [
        "execution.queued",
        "execution.started",
        "execution.waiting",
        "execution.resumed",
        "execution.completed",
    ]


async def test_a_workflows_stream_tells_its_own_events_and_those_of_its_executions(platform: Platform) -> None:
    definition = {"name": "Told", "nodes": [node("start", "manual_trigger")], "edges": []}
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    headers = {"Authorization": f"Bearer {platform.token}"}
    told: list[tuple[int, str]] = []
    async with connect(platform.ws_url, additional_headers=headers) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": f"workflow:{workflow}"}))
        for _ in range(2):
            await asyncio.to_thread(start, platform, workflow, wait=30)
        await asyncio.to_thread(platform.request, "PATCH", f"/api/workflows/{workflow}/", json={"name": "Retold"})
        async with asyncio.timeout(240):
            while not told or told[-1][1] != "workflow.updated":
                frame = json.loads(await socket.recv())
                told += [(event["sequence"], event["type"]) for event in frame.get("events", [])]
    run = ["execution.queued", "execution.started", "execution.completed"]
    assert told == list(enumerate(["workflow.created", *run, *run, "workflow.updated"], 1))


def test_a_running_execution_is_cancelled(platform: Platform) -> None:
    definition = {
        "name": "Endless",
        "nodes": [node("start", "manual_trigger"), node("wait", "wait", seconds=3600)],
        "edges": [edge("start", "wait")],
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    execution = start(platform, workflow)
    platform.request("POST", f"/api/executions/{execution['id']}/cancel/", json={})
    events = asyncio.run(asyncio.wait_for(watch(platform.ws_url, platform.token, execution["stream"]), 240))
    assert events[-1]["type"] == "execution.cancelled"


def test_a_request_to_a_hook_starts_its_workflow(platform: Platform) -> None:
    definition = {
        "name": "Hook",
        "active": True,
        "nodes": [
            node("hook", "webhook_trigger", path="greet", respond="on_completion"),
            node("answer", "set", fields={"hello": "{{ $json.body.name }}"}, keep_other_fields=False),
        ],
        "edges": [edge("hook", "answer")],
    }
    assert platform.request("POST", "/api/workflows/", json=definition).status_code == 201
    answer = requests.post(f"{platform.url}/hooks/greet", json={"name": "Ada"}, timeout=240)
    assert answer.json()["items"] == [{"hello": "Ada"}]
    assert requests.get(f"{platform.url}/hooks/greet", timeout=240).status_code == 405
    assert requests.post(f"{platform.url}/hooks/nobody", timeout=240).status_code == 404
