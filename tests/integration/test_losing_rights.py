"""A socket that is open ends, or loses a stream, when the right to it ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import requests
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import Platform
from tests.people import Person
from tests.surroundings import PATIENCE_SECONDS

SECONDS = PATIENCE_SECONDS
"""No bound: a machine that is overloaded may need longer than the check of all connections comes around."""


async def subscribed(socket: ClientConnection, stream: str) -> None:
    await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": -1}))
    while json.loads(await socket.recv())["type"] != "live":
        pass


def bearer(token: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


async def code_of_end(socket: ClientConnection) -> int | None:
    await asyncio.wait_for(socket.wait_closed(), SECONDS)
    return socket.close_code


async def test_a_revoked_token_ends_its_socket(platform: Platform) -> None:
    person = Person(platform, "viewer")
    async with connect(platform.ws_url, **bearer(person.token)) as socket:
        await subscribed(socket, "executions")
        (token,) = person.request("GET", "/api/tokens/").json()["results"]
        assert person.request("DELETE", f"/api/tokens/{token['id']}/").status_code == 204
        assert await code_of_end(socket) == 4401


async def test_who_is_no_longer_a_member_loses_the_streams_and_keeps_the_socket(platform: Platform) -> None:
    person = Person(platform, "viewer")
    workflow = f"workflow:{platform.request('GET', '/api/workflows/').json()['results'][0]['id']}"
    async with connect(platform.ws_url, **bearer(person.token)) as socket:
        await subscribed(socket, "executions")
        await subscribed(socket, workflow)
        leave = f"Membership.objects.filter(user__username={person.name!r}).delete()"
        platform.shell.run(f"from workflow_platform.core.accounts.models import Membership; {leave}")
        async with asyncio.timeout(SECONDS):
            lost = {}
            while len(lost) < 2:
                frame = json.loads(await socket.recv())
                if frame["type"] == "error":
                    lost[frame["stream"]] = frame["code"]
        assert lost == {"executions": "forbidden", workflow: "forbidden"}
        await socket.send('{"type": "ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}


async def test_logging_out_ends_the_socket(platform: Platform) -> None:
    person = Person(platform, "viewer")
    browser = requests.Session()

    def post(path: str, **fields: str) -> requests.Response:
        token = browser.get(f"{platform.url}/login/", timeout=240).cookies.get("csrftoken")
        fields["csrfmiddlewaretoken"] = token or browser.cookies["csrftoken"]
        return browser.post(platform.url + path, data=fields, headers={"Referer": platform.url}, timeout=240)

    assert post("/login/", username=person.name, password="a-password-for-tests").ok
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with connect(platform.ws_url, additional_headers={"Cookie": cookie}, origin=platform.url) as socket:  # type: ignore[arg-type]
        await subscribed(socket, "executions")
        assert post("/logout/").ok
        assert await code_of_end(socket) == 4401


async def test_a_page_of_another_site_is_shown_the_door(platform: Platform) -> None:
    person = Person(platform, "viewer")
    browser = requests.Session()
    login = f"{platform.url}/login/"
    browser.get(login, timeout=240)
    fields = {
        "username": person.name,
        "password": "a-password-for-tests",
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
    }
    assert browser.post(login, data=fields, headers={"Referer": platform.url}, timeout=240).ok
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    other_port = platform.url.rsplit(":", 1)[0] + ":1"
    for origin in (other_port, platform.url.replace("http", "https"), "http://evil.example", "null"):
        async with connect(platform.ws_url, additional_headers={"Cookie": cookie}, origin=origin) as socket:  # type: ignore[arg-type]
            assert await code_of_end(socket) == 4403
