"""A person of another workspace walks over every address: nothing of ours is there."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
import requests
from websockets.asyncio.client import connect

from tests.conftest import Platform
from tests.workflows import edge, node
from workflow_platform.embedded import wait_until

MAKE_STRANGER = """
from workflow_platform.accounts.models import *
user, made = User.objects.get_or_create(username="stranger")
user.set_password("a-strangers-password"); user.save()
place, _ = Workspace.objects.get_or_create(slug="elsewhere", defaults={"name": "Elsewhere"})
Membership.objects.get_or_create(user=user, workspace=place, defaults={"role": Role.ADMIN})
"""
MAKE_INBOUND = """
from webhooks.models import InboundRequest
made = InboundRequest.objects.create(
    workspace_id="{workspace}", method="POST", path="of-ours", accepted=False, status_code=401)
print("inbound", made.pk)
"""


@pytest.fixture(scope="module")
def stranger(platform: Platform) -> dict[str, str]:
    """Return the headers of somebody who is an admin, elsewhere."""
    platform.shell.run(MAKE_STRANGER)
    body = {"username": "stranger", "password": "a-strangers-password"}
    token = requests.post(f"{platform.url}/api/auth/token/", json=body, timeout=120).json()["access"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def ours(platform: Platform) -> dict[str, str]:
    """Return the ids of what belongs to us."""
    definition = {
        "name": "Ours",
        "nodes": [node("start", "manual_trigger"), node("end", "no_op")],
        "edges": [edge("start", "end")],
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()
    body = {"wait": 30, "input": [{"secret": "of ours"}]}
    execution = platform.request("POST", f"/api/workflows/{workflow['id']}/execute/", json=body).json()
    workspace = workflow["workspace"]
    members = platform.request("GET", f"/api/workspaces/{workspace}/members/").json()
    tokens = platform.request("GET", "/api/tokens/").json()
    offer = {"username": "somebody-else", "role": "viewer"}
    invitation = platform.request("POST", f"/api/workspaces/{workspace}/invitations/", json=offer).json()
    asks = [node("start", "manual_trigger"), node("ask", "approval", message="Ours?")]
    asking = platform.request(
        "POST", "/api/workflows/", json={"name": "Asks", "nodes": asks, "edges": [edge("start", "ask")]}
    ).json()["id"]
    asked = platform.request("POST", f"/api/workflows/{asking}/execute/", json={}).json()["id"]
    path = f"/api/approvals/?show=open&execution={asked}"
    wait_until(lambda: bool(platform.request("GET", path).json()["results"]), "The approval")
    secret = {"name": f"Of ours {execution['id']}", "type": "bearer", "data": {"token": "nobody-elses"}}
    credential = platform.request("POST", "/api/credentials/", json=secret).json()
    wanted = {"filter": {"execution": execution["id"]}, "delay_ms": 60_000}
    replay = platform.request("POST", "/api/events/replay/", json=wanted).json()
    receiver = {"url": "http://127.0.0.2:9/", "event_types": ["workflow.cloned"], "active": False}
    endpoint = platform.request("POST", "/api/webhooks/endpoints/", json=receiver).json()
    message = {"url": "http://127.0.0.2:9/", "body": "of ours"}
    delivery = platform.request("POST", "/api/webhooks/deliveries/", json=message).json()
    wanted = {"kind": "cancel", "filter": {"ids": [delivery["id"]]}, "dry_run": False}
    operation = platform.request("POST", "/api/webhooks/operations/", json=wanted).json()["operation"]
    inbound = platform.shell.run(MAKE_INBOUND.format(workspace=workspace)).split("inbound ")[1].split()[0]
    return {
        "approvals": platform.request("GET", path).json()["results"][0]["id"],
        "workflows": workflow["id"],
        "executions": execution["id"],
        "workspaces": workspace,
        "members": str(members["results"][0]["id"]),
        "tokens": str(tokens["results"][0]["id"]),
        "invitations": invitation["id"],
        "nodes": "end",
        "credentials": credential["id"],
        "replays": replay["id"],
        "endpoints": endpoint["id"],
        "deliveries": delivery["id"],
        "operations": operation["id"],
        "inbound": inbound,
    }


def filled(path: str, ours: dict[str, str]) -> str:
    """Return the path with our ids in it: what stands before a placeholder says whose."""
    return re.sub(r"(\w+)/\{\w+\}", lambda found: f"{found[1]}/{ours[found[1]]}", path)


def test_no_address_of_the_api_shows_or_changes_what_is_not_ones_own(
    platform: Platform, stranger: dict[str, str], ours: dict[str, str]
) -> None:
    schema = platform.request("GET", "/api/schema/?format=json").json()
    walked = 0
    for path, methods in schema["paths"].items():
        for method in methods:
            if "{" not in path or method == "parameters":
                continue
            url = platform.url + filled(path, ours)
            body = {} if method in {"post", "put", "patch"} else None
            answer = requests.request(method, url, headers=stranger, json=body, timeout=120)
            assert answer.status_code == 404, (method, path, answer.status_code, answer.text[:200])
            assert answer.headers["Content-Type"].startswith("application/problem+json"), path
            walked += 1
    assert walked >= 20
    assert platform.request("GET", f"/api/workflows/{ours['workflows']}/").json()["name"] == "Ours"


def test_no_list_of_the_api_holds_what_is_not_ones_own(
    platform: Platform, stranger: dict[str, str], ours: dict[str, str]
) -> None:
    schema = platform.request("GET", "/api/schema/?format=json").json()
    lists = [path for path, methods in schema["paths"].items() if "{" not in path and "get" in methods]
    for path in lists:
        text = requests.get(platform.url + path, headers=stranger, timeout=120).text
        assert ours["workflows"] not in text, path
        assert ours["executions"] not in text, path
        assert ours["credentials"] not in text, path
        assert ours["replays"] not in text, path
        for ours_too in ("endpoints", "deliveries", "operations", "inbound"):
            assert ours[ours_too] not in text, path
    filters = f"?workflow={ours['workflows']}"
    assert (
        requests.get(f"{platform.url}/api/executions/{filters}", headers=stranger, timeout=120).json()["results"] == []
    )


def test_a_bulk_rerun_finds_nothing_that_is_not_ones_own(
    platform: Platform, stranger: dict[str, str], ours: dict[str, str]
) -> None:
    for body in ({"ids": [ours["executions"]]}, {"workflow": ours["workflows"], "dry_run": False}):
        answer = requests.post(f"{platform.url}/api/executions/rerun/", headers=stranger, json=body, timeout=120)
        assert (answer.json()["matched"], answer.json()["started"], answer.json()["failed"]) == (0, [], [])


def test_every_address_wants_to_know_who_asks(platform: Platform, ours: dict[str, str]) -> None:
    schema = platform.request("GET", "/api/schema/?format=json").json()
    open_to_all = {"/api/auth/token/", "/api/auth/token/refresh/", "/api/auth/token/revoke/"}
    for path, methods in schema["paths"].items():
        for method in set(methods) - {"parameters"}:
            answer = requests.request(method, platform.url + filled(path, ours), timeout=120)
            assert path in open_to_all or answer.status_code == 401, (method, path, answer.status_code)


def test_no_page_shows_what_is_not_ones_own(platform: Platform, stranger: dict[str, str], ours: dict[str, str]) -> None:
    browser = requests.Session()
    login = f"{platform.url}/login/"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(login, timeout=120).text)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "username": "stranger", "password": "a-strangers-password"}
    assert browser.post(login, data=form, timeout=120).url == f"{platform.url}/"
    for path in (f"/workflows/{ours['workflows']}/", f"/executions/{ours['executions']}/"):
        assert browser.get(platform.url + path, timeout=120).status_code == 404
    for path in ("/", "/workflows/", "/credentials/", f"/executions/rows/?ids={ours['executions']}"):
        answer = browser.get(platform.url + path, timeout=120)
        assert answer.status_code == 200
        assert ours["executions"] not in answer.text, path
        assert ours["workflows"] not in answer.text, path
        assert ours["credentials"] not in answer.text, path
    assert browser.get(f"{platform.url}/admin/", timeout=120).url.startswith(f"{platform.url}/admin/login/")


async def test_no_stream_tells_what_is_not_ones_own(
    platform: Platform, stranger: dict[str, str], ours: dict[str, str]
) -> None:
    frames: list[dict[str, Any]] = []
    async with connect(platform.ws_url, additional_headers=stranger) as socket:
        for stream in (f"execution:{ours['executions']}", f"workflow:{ours['workflows']}"):
            await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": 0}))
            frame = json.loads(await socket.recv())
            assert (frame["type"], frame["stream"]) == ("error", stream)
        await socket.send(json.dumps({"type": "subscribe", "stream": "executions", "after": 0}))
        again = f"/api/workflows/{ours['workflows']}/execute/"
        await asyncio.to_thread(platform.request, "POST", again, json={"wait": 30})
        await socket.send('{"type": "ping"}')
        async with asyncio.timeout(60):
            while not frames or frames[-1]["type"] != "pong":
                frames.append(json.loads(await socket.recv()))
    assert [event for frame in frames for event in frame.get("events", [])] == []


async def test_the_stream_of_the_installation_is_for_staff_only(platform: Platform, stranger: dict[str, str]) -> None:
    for headers, wanted in ((stranger, "error"), ({"Authorization": f"Bearer {platform.token}"}, "subscribed")):
        async with connect(platform.ws_url, additional_headers=headers) as socket:
            await socket.send(json.dumps({"type": "subscribe", "stream": "system", "after": 0}))
            assert json.loads(await asyncio.wait_for(socket.recv(), 120))["type"] == wanted


def test_an_operation_on_deliveries_finds_none_that_is_not_ones_own(
    platform: Platform, stranger: dict[str, str], ours: dict[str, str]
) -> None:
    for wanted in ({"ids": [ours["deliveries"]]}, {"since": "2020-01-01T00:00:00Z"}):
        for kind in ("cancel", "redeliver"):
            body = {"kind": kind, "filter": wanted}
            answer = requests.post(f"{platform.url}/api/webhooks/operations/", headers=stranger, json=body, timeout=120)
            assert (answer.json()["count"], answer.json()["recipients"]) == (0, [])
    body = {"endpoint": ours["endpoints"], "hour": "2026-01-01T00:00:00Z", "repair": True}
    check = f"{platform.url}/api/webhooks/reconciliation/check/"
    assert requests.post(check, headers=stranger, json=body, timeout=120).status_code == 404
    stats = requests.get(f"{platform.url}/api/webhooks/deliveries/stats/", headers=stranger, timeout=120).json()
    assert (stats["total"]["cancelled"], stats["endpoints"]) == (0, [])
