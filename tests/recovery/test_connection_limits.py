"""How many connections there may be, how much they may say, and how many streams they may watch."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
import requests
from websockets.asyncio.client import ClientConnection, connect

from tests.people import Person
from tests.sites import Site, Web

LIMITS = {
    "WS_MAX_CONNECTIONS": "4",
    "WS_MAX_CONNECTIONS_PER_USER": "2",
    "WS_MAX_SUBSCRIPTIONS": "2",
    "WS_MESSAGES_PER_SECOND": "1",
    "WS_MESSAGE_BURST": "10",
}


@pytest.fixture
def limited(hurt: Site) -> Web:
    return hurt.web(**LIMITS)


def as_(token: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


async def is_in(socket: ClientConnection) -> bool:
    """Return whether the connection was taken; if not, it was closed as one too many."""
    try:
        await socket.send('{"type": "ping"}')  # it may have been closed already
        return bool(json.loads(await socket.recv())["type"] == "pong")
    except Exception:
        assert socket.close_code == 4429
        return False


async def test_connections_are_counted_by_user_and_in_all_whatever_their_kind(hurt: Site, limited: Web) -> None:
    people = [Person(hurt, "viewer") for _ in range(3)]
    async with AsyncExitStack() as stack:

        async def comes(token: str) -> bool:
            return await is_in(await stack.enter_async_context(connect(limited.ws_url, **as_(token))))

        def lines(token: str) -> requests.Response:
            address = f"{limited.url}/api/events/stream/?stream=executions"
            answer = requests.get(address, headers={"Authorization": f"Bearer {token}"}, stream=True, timeout=240)
            stack.callback(answer.close)
            return answer

        first, second, third = (person.token for person in people)
        assert await comes(first)
        assert lines(first).status_code == 200
        assert not await comes(first)
        refused = lines(first)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert await comes(second)
        assert await comes(second)
        assert not await comes(third)
        assert lines(third).status_code == 429
    async with connect(limited.ws_url, **as_(third)) as socket:
        assert await is_in(socket)  # there is room again


async def test_who_says_too_much_is_shown_the_door(hurt: Site, limited: Web) -> None:
    async with connect(limited.ws_url, **as_(hurt.token)) as socket:
        for _ in range(30):
            await socket.send('{"type": "ping"}')
        await socket.wait_closed()
        assert socket.close_code == 4429
    async with connect(limited.ws_url, **as_(hurt.token)) as socket:
        for _ in range(8):
            assert await is_in(socket)


async def test_streams_above_the_limit_are_refused_and_the_others_stay(hurt: Site, limited: Web) -> None:
    async with connect(limited.ws_url, **as_(hurt.token)) as socket:
        for stream in ("executions", "system", "execution:00000000-0000-7000-8000-000000000000"):
            await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": -1}))
        frames: list[dict[str, Any]] = []
        while {"executions", "system"} - {f["stream"] for f in frames if f["type"] == "live"}:
            frames.append(json.loads(await socket.recv()))
        (error,) = (frame for frame in frames if frame["type"] == "error")
        assert (error["code"], error["stream"][:10]) == ("too_many", "execution:")
        await socket.send('{"type": "unsubscribe", "stream": "system"}')
        await socket.send(json.dumps({"type": "subscribe", "stream": error["stream"]}))
        while frames[-1]["type"] != "error":
            frames.append(json.loads(await socket.recv()))
        assert frames[-1]["code"] == "not_found"  # there is room for it, but no such stream
