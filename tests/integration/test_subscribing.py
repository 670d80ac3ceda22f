"""What a client may ask of a subscription: where it begins, which events it wants, and pages of what lies before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import Platform
from tests.workflows import edge, node

Frame = dict[str, Any]
STEPS = 5


@pytest.fixture(scope="module")
def ended(platform: Platform) -> dict[str, Any]:
    """Return an execution that has ended."""
    steps = [node(f"step{n}", "no_op") for n in range(STEPS)]
    names = ["start", *(step["id"] for step in steps)]
    definition = {
        "name": "To be watched",
        "nodes": [node("start", "manual_trigger"), *steps],
        "edges": [edge(a, b) for a, b in pairwise(names)],
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    return platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 30}).json()  # type: ignore[no-any-return]


@asynccontextmanager
async def socket_of(platform: Platform, path: str = "") -> AsyncIterator[ClientConnection]:
    async with connect(
        platform.ws_url + path, additional_headers={"Authorization": f"Bearer {platform.token}"}
    ) as socket:
        yield socket


async def frames_until(socket: ClientConnection, kind: str) -> list[Frame]:
    frames: list[Frame] = []
    while not frames or frames[-1]["type"] != kind:
        frames.append(json.loads(await socket.recv()))
    return frames


def events_of(frames: list[Frame]) -> list[Frame]:
    return [event for frame in frames for event in frame.get("events", [])]


async def test_a_client_that_wants_the_lifecycle_only_still_knows_how_far_it_is(
    platform: Platform, ended: dict[str, Any]
) -> None:
    stream = f"execution:{ended['id']}"
    async with socket_of(platform) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": stream, "level": "lifecycle"}))
        frames = await frames_until(socket, "end")
    types = [event["type"].removeprefix("execution.") for event in events_of(frames)]
    assert types == ["queued", "started", "completed"]
    head = frames[0]["head"]
    assert [frame["through"] for frame in frames if frame["type"] == "events"][-1] == head == frames[-1]["sequence"]


async def test_patterns_choose_the_types_and_an_unknown_one_is_named(platform: Platform, ended: dict[str, Any]) -> None:
    stream = f"execution:{ended['id']}"
    async with socket_of(platform) as socket:
        asked = {"type": "subscribe", "stream": stream, "types": ["execution.node_*"]}
        await socket.send(json.dumps(asked))
        frames = await frames_until(socket, "end")
        assert {event["type"] for event in events_of(frames)} >= {"execution.node_started", "execution.node_completed"}
        assert all(event["type"].startswith("execution.node_") for event in events_of(frames))
        await socket.send(json.dumps(asked | {"types": ["execution.exploded"]}))
        error = json.loads(await socket.recv())
        assert (error["type"], error["code"]) == ("error", "bad_frame")
        assert "execution.exploded" in error["detail"]


async def test_a_client_may_join_near_the_head_and_read_the_rest_in_pages(
    platform: Platform, ended: dict[str, Any]
) -> None:
    stream = f"execution:{ended['id']}"
    async with socket_of(platform) as socket:
        # In one go: the page is asked for before the end is told.
        await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": -3}))
        await socket.send(json.dumps({"type": "read", "stream": stream, "after": 0, "limit": 4}))
        frames = await frames_until(socket, "end")
        head = frames[0]["head"]
        assert frames[0]["after"] == head - 3
        newest = [e["sequence"] for frame in frames if frame["type"] == "events" for e in frame["events"]]
        assert newest == [head - 2, head - 1, head]


async def test_pages_come_while_the_stream_is_live(platform: Platform) -> None:
    workspace = platform.request("GET", "/api/workflows/").json()["results"][0]["id"]
    stream = f"workflow:{workspace}"
    async with socket_of(platform) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": -1}))
        await frames_until(socket, "live")
        await socket.send(json.dumps({"type": "read", "stream": stream, "after": 0, "limit": 2}))
        (page,) = await frames_until(socket, "page")
        assert page["after"] == 0
        assert page["events"][0]["sequence"] == 1
        await socket.send(json.dumps({"type": "read", "stream": "executions", "after": 0}))
        error = json.loads(await socket.recv())
        assert (error["code"], error["stream"]) == ("bad_frame", "executions")


async def test_the_address_of_one_execution_brings_its_stream_from_a_cursor_on(
    platform: Platform, ended: dict[str, Any]
) -> None:
    async with socket_of(platform, f"executions/{ended['id']}/?after=2") as socket:
        frames = await frames_until(socket, "end")
    sequences = [event["sequence"] for event in events_of(frames)]
    assert sequences == list(range(3, frames[0]["head"] + 1))


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"after": "1"}, "after"),
        ({"after": True}, "after"),
        ({"level": "some"}, "level"),
        ({"types": "execution.*"}, "types"),
        ({"types": ["execution.*"] * 51}, "types"),
        ({"extra": 1}, "extra"),
    ],
)
async def test_a_wrong_field_is_named(platform: Platform, frame: Frame, field: str) -> None:
    async with socket_of(platform) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": "executions"} | frame))
        error = json.loads(await socket.recv())
        assert (error["type"], error["code"], error["stream"]) == ("error", "bad_frame", "executions")
        assert error["detail"].startswith(f"`{field}")


async def test_a_connection_has_a_thousand_streams_and_no_more(platform: Platform) -> None:
    async with socket_of(platform) as socket:
        for number in range(1001):
            stream = f"execution:00000000-0000-7000-8000-{number:012}"
            await socket.send(json.dumps({"type": "subscribe", "stream": stream}))
        errors = [json.loads(await socket.recv()) for _ in range(1001)]
    assert {error["code"] for error in errors} <= {"not_found", "too_many"}


async def test_a_frame_that_is_too_large_ends_the_socket(platform: Platform) -> None:
    async with socket_of(platform) as socket:
        await socket.send("x" * (64 * 1024 + 1))
        await socket.wait_closed()
        assert socket.close_code == 1009
