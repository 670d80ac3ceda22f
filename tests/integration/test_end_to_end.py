"""The outside check: executions run, and whoever watches holds exactly what history holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import Platform
from tests.watching import watch
from tests.workflows import TWELVE_NODES, TWELVE_NODES_RESULT

EXECUTIONS = 20


@pytest.fixture(scope="module")
def workflow(platform: Platform) -> str:
    created = platform.request("POST", "/api/workflows/", json=TWELVE_NODES)
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


def start(platform: Platform, workflow: str, **body: Any) -> dict[str, Any]:
    answer = platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body)
    assert answer.status_code in {200, 202}, answer.text
    return dict(answer.json())


def history(platform: Platform, execution: str) -> list[dict[str, Any]]:
    answer = platform.request("GET", f"/api/executions/{execution}/events/?limit=1000")
    return list(answer.json()["events"])


async def test_every_watcher_holds_exactly_the_history(platform: Platform, workflow: str) -> None:
    async def run(number: int) -> None:
        execution = await asyncio.to_thread(start, platform, workflow)
        stream = execution["stream"]
        # Half watch from the start; the others join when those are through. A third cuts its socket at random.
        early = watch(platform.ws_url, platform.token, stream, cut=0.3 if number % 3 == 0 else 0)
        late = watch(platform.ws_url, platform.token, stream, cut=0.3 if number % 3 == 1 else 0)
        first = await asyncio.wait_for(early, 60)
        second = await asyncio.wait_for(late, 60)
        kept = await asyncio.to_thread(history, platform, execution["id"])
        assert [event["sequence"] for event in kept] == list(range(1, len(kept) + 1))
        assert first == kept
        assert second == kept
        assert kept[0]["type"] == "execution.queued"
        assert kept[-1]["type"] == "execution.completed"

    await asyncio.gather(*(run(number) for number in range(EXECUTIONS)))


def test_branches_loop_and_merge_give_their_items(platform: Platform, workflow: str) -> None:
    execution = start(platform, workflow, wait=30)
    assert execution["status"] == "completed", execution
    output = platform.request("GET", f"/api/executions/{execution['id']}/nodes/report/output/").json()
    assert output["outputs"]["main"] == [{"numbers": TWELVE_NODES_RESULT}]
    assert output["inputs"]["main"] == TWELVE_NODES_RESULT


def test_folding_the_history_gives_the_node_runs(platform: Platform, workflow: str) -> None:
    execution = start(platform, workflow, wait=30)
    ended = {"node_completed": "completed", "node_failed": "failed", "node_skipped": "skipped"}
    folded = {}
    for event in history(platform, execution["id"]):
        kind = event["type"].removeprefix("execution.")
        if kind in ended:
            data = event["data"]
            folded[data["node"], data["run_index"]] = (ended[kind], data.get("output_items", 0))
    rows = platform.request("GET", f"/api/executions/{execution['id']}/nodes/").json()
    assert folded == {(row["node"], row["run_index"]): (row["status"], row["output_items"]) for row in rows}


async def test_the_feed_tells_of_every_execution_once(platform: Platform, workflow: str) -> None:
    import json

    from websockets.asyncio.client import connect

    headers = {"Authorization": f"Bearer {platform.token}"}
    async with connect(platform.ws_url, additional_headers=headers, max_size=None) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": "executions", "after": 0}))
        while (frame := json.loads(await asyncio.wait_for(socket.recv(), 30)))["type"] != "live":
            pass
        started = await asyncio.to_thread(start, platform, workflow)
        told: list[str] = []
        while "execution.completed" not in told:
            frame = json.loads(await asyncio.wait_for(socket.recv(), 30))
            told += [e["type"] for e in frame["events"] if e["execution_id"] == started["id"]]
    assert told == [
        "execution.queued",
        "execution.started",
        "execution.waiting",
        "execution.resumed",
        "execution.completed",
    ]


def test_a_running_execution_is_cancelled(platform: Platform) -> None:
    from tests.workflows import edge, node

    definition = {
        "name": "Endless",
        "nodes": [node("start", "manual_trigger"), node("wait", "wait", seconds=3600)],
        "edges": [edge("start", "wait")],
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    execution = start(platform, workflow)
    platform.request("POST", f"/api/executions/{execution['id']}/cancel/", json={})
    events = asyncio.run(asyncio.wait_for(watch(platform.ws_url, platform.token, execution["stream"]), 30))
    assert events[-1]["type"] == "execution.cancelled"


def test_a_request_to_a_hook_starts_its_workflow(platform: Platform) -> None:
    import requests

    from tests.workflows import edge, node

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
    answer = requests.post(f"{platform.url}/hooks/greet", json={"name": "Ada"}, timeout=30)
    assert answer.json()["items"] == [{"hello": "Ada"}]
    assert requests.get(f"{platform.url}/hooks/greet", timeout=30).status_code == 405
    assert requests.post(f"{platform.url}/hooks/nobody", timeout=30).status_code == 404
