"""A person of another workspace listens on sockets: nothing of ours is there.

Addresses are walked in tests/security/test_isolation.py.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import requests
from websockets.asyncio.client import connect

from tests.conftest import Platform
from tests.workflows import edge, node

MAKE_STRANGER = """
from workflow_platform.core.accounts.models import *
user, made = User.objects.get_or_create(username="stranger")
user.set_password("a-strangers-password"); user.save()
place, _ = Workspace.objects.get_or_create(slug="elsewhere", defaults={"name": "Elsewhere"})
Membership.objects.get_or_create(user=user, workspace=place, defaults={"role": Role.ADMIN})
"""


@pytest.fixture(scope="module")
def stranger(platform: Platform) -> dict[str, str]:
    """Return the headers of somebody who is an admin, elsewhere."""
    platform.shell.run(MAKE_STRANGER)
    body = {"username": "stranger", "password": "a-strangers-password"}
    token = requests.post(f"{platform.url}/api/auth/token/", json=body, timeout=240).json()["access"]
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
    return {"workflows": workflow["id"], "executions": execution["id"]}


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
        async with asyncio.timeout(240):
            while not frames or frames[-1]["type"] != "pong":
                frames.append(json.loads(await socket.recv()))
    assert [event for frame in frames for event in frame.get("events", [])] == []


async def test_the_stream_of_the_installation_is_for_staff_only(platform: Platform, stranger: dict[str, str]) -> None:
    for headers, wanted in ((stranger, "error"), ({"Authorization": f"Bearer {platform.token}"}, "subscribed")):
        async with connect(platform.ws_url, additional_headers=headers) as socket:
            await socket.send(json.dumps({"type": "subscribe", "stream": "system", "after": 0}))
            assert json.loads(await asyncio.wait_for(socket.recv(), 240))["type"] == wanted
