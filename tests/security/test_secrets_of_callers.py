"""What callers of webhooks prove themselves with is in no event, log or delivery: only in the items that the workflow
computes with, which editors see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
from psycopg import sql

from tests.conftest import Platform
from tests.executing import until
from tests.integration.test_no_secret_is_written import check_redis
from tests.people import Person
from tests.receiving import receiving
from tests.watching import watch
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

PLANTED = f"pl4nted-{uuid4().hex}"
ITEMS = {"executions_execution": {"input"}, "executions_noderun": {"output"}}
"""Where items are kept for the workflow."""


def workflow(path: str, url: str) -> dict[str, Any]:
    """Copies the request on, logs it, repeats it in errors, and hands it to another workflow's form."""
    nodes = [
        node("hook", "webhook_trigger", path=path),
        node("copy", "set", fields={"text": "{{ JSON.stringify($json) }}", "again": "{{ $json }}"}),
        node("said", "code", code="console.log($json.text); console.log($json.again); return $input.all();"),
        node("wrong", "code", code="throw new Error('no: ' + $json.text);") | {"on_error": "continue"},
        node("asked", "http_request", url=url + "gone?token={{ $json.again.query.token }}") | {"on_error": "continue"},
        node("end", "no_op"),
    ]
    edges = [edge("hook", "copy"), edge("copy", "said"), edge("said", "wrong"), edge("said", "asked")]
    return {"name": f"Called at {path}", "nodes": nodes, "edges": [*edges, edge("wrong", "end")], "active": True}


def call(platform: Platform, path: str) -> str:
    answer = requests.post(
        f"{platform.url}/hooks/{path}?token={PLANTED}&page=2",
        json={
            "user": "ada",
            "password": PLANTED,
            "nested": [{"apiKey": PLANTED}],
            "headers": [{"name": "X-Api-Key", "value": PLANTED}],
            "link": f"https://ada:{PLANTED}@example.com/?access_token={PLANTED}",
        },
        headers={"X-Api-Key": PLANTED, "Authorization": f"Bearer {PLANTED}", "Cookie": f"session={PLANTED}"},
        timeout=240,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["execution_id"])


def check(text: str | bytes, where: str) -> None:
    content = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    at = content.find(PLANTED)
    assert at < 0, f"{where}: …{content[max(0, at - 300) : at]}<the secret>"


def check_database(platform: Platform) -> None:
    with psycopg.connect(platform.environment["DATABASE_URL"]) as database:
        columns: dict[str, list[str]] = {}
        for table, column in database.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ):
            if column not in ITEMS.get(table, ()):
                columns.setdefault(table, []).append(column)
        for table, names in columns.items():
            shown = sql.SQL(", ").join(map(sql.Identifier, names))
            for (row,) in database.execute(
                sql.SQL("SELECT ROW({})::text FROM {}").format(shown, sql.Identifier(table))
            ):
                check(row, table)


@pytest.mark.parametrize("body", ["json", "form", "text"])
def test_the_inbound_log_masks_bodies_by_name(platform: Platform, body: str) -> None:
    path = f"hook-{uuid4().hex[:8]}"
    made = platform.request("POST", "/api/workflows/", json=workflow(path, "http://127.0.0.2:9/")).json()
    given: dict[str, Any] = {
        "json": {"json": {"user": "ada", "password": PLANTED}},
        "form": {"data": {"user": "ada", "password": PLANTED}},
        "text": {"data": f'x {{"user": "ada", "password": "{PLANTED}"', "headers": {"Content-Type": "text/plain"}},
    }[body]
    for test in ("", "test/"):
        assert requests.post(f"{platform.url}/hooks/{test}{path}", timeout=240, **given).status_code < 300
    rows = platform.query("SELECT body FROM webhooks_inboundrequest WHERE workflow_id = %s", made["id"])
    assert len(rows) == 2
    assert all("ada" in row and "***" in row and PLANTED not in row for (row,) in rows)


@contextmanager
def subscribed(platform: Platform, url: str) -> Iterator[dict[str, Any]]:
    """Have all events of the workspace delivered to the URL while the block runs: other tests share the workspace."""
    endpoint = platform.request("POST", "/api/webhooks/endpoints/", json={"url": url, "event_types": ["*"]}).json()
    try:
        yield endpoint
    finally:
        platform.request("DELETE", f"/api/webhooks/endpoints/{endpoint['id']}/")


async def test_no_secret_of_a_caller_leaves_the_items(platform: Platform) -> None:
    path, viewer, editor = f"hook-{uuid4().hex[:8]}", Person(platform, "viewer"), Person(platform, "editor")
    with receiving() as receiver, subscribed(platform, receiver.url) as endpoint:
        made = platform.request("POST", "/api/workflows/", json=workflow(path, receiver.url)).json()
        execution = await asyncio.to_thread(call, platform, path)
        events = await watch(platform.ws_url, viewer.token, f"execution:{execution}")
        ended = await asyncio.to_thread(until, platform, execution)
        assert ended["status"] == "completed", ended
        check(json.dumps(events, ensure_ascii=False), "the socket")
        assert json.dumps(events).count("***") > 20
        wanted = sum(1 for event in events if event["type"] == "execution.data_flow")
        await asyncio.to_thread(
            wait_until,
            lambda: sum(b"execution.data_flow" in each.body for each in list(receiver.requests)) >= wanted,
            "the deliveries",
        )
        # Sent again from history, to a URL and to the endpoint.
        for target in ({"url": f"{receiver.url}replay"}, {"endpoint": endpoint["id"]}):
            body = {"filter": {"execution": execution}, "delay_ms": 0, "target": {"type": "endpoint"} | target}
            answer = platform.request("POST", "/api/events/replay/", json=body)
            assert answer.status_code in {200, 201, 202}, answer.text
        await asyncio.to_thread(
            wait_until,
            lambda: sum(each.path == "/replay" for each in list(receiver.requests)) >= len(events),
            "the replay",
        )
        for request in list(receiver.requests):
            if not request.path.startswith("/gone"):
                check(request.body, f"what the receiver got at {request.path}")
                check(json.dumps(request.headers), "the headers of a delivery")
    for route in (
        f"/api/executions/{execution}/", f"/api/executions/{execution}/events/", f"/api/executions/{execution}/nodes/",
        f"/api/events/?execution={execution}", f"/api/events/export/?stream=execution:{execution}",
        f"/api/trace/?execution={execution}", f"/api/webhooks/inbound/?execution={execution}",
        f"/api/webhooks/inbound/{execution}/", "/api/webhooks/deliveries/",
        *(f"/api/executions/{execution}/nodes/{each}/output/" for each in ("hook", "copy", "said", "asked", "end")),
    ):  # fmt: skip
        answer = await asyncio.to_thread(viewer.request, "GET", route)
        assert answer.status_code == 200, (route, answer.text)
        check(answer.text, f"a viewer at {route}")
    raw = await asyncio.to_thread(editor.request, "GET", f"/api/executions/{execution}/nodes/copy/output/")
    item = raw.json()["inputs"]["main"][0]
    assert (item["query"]["token"], item["headers"]["x-api-key"], item["body"]["password"]) == (PLANTED,) * 3
    assert made["id"]
    await asyncio.to_thread(check_database, platform)
    await asyncio.to_thread(check_redis, platform, [PLANTED])
    for log in platform.folder.glob("*.log"):
        check(log.read_bytes(), log.name)
