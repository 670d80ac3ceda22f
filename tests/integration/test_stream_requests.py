"""Each request of a client gets one answer, in order, whatever comes before it. The client here knows the protocol
from its document only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.long_streams import lengthen
from tests.workflows import edge, node

Frame = dict[str, Any]
DELIVERED = {"events", "live", "degraded", "end", "replay"}
"""Frames that answer nothing: a subscription delivers them."""
MANY = 100_000


def ended_execution(platform: Platform) -> str:
    nodes = [node("start", "manual_trigger"), node("end", "no_op")]
    execution = execute(platform, save(platform, nodes, [edge("start", "end")]), {})
    until(platform, execution)
    return execution


@pytest.fixture(scope="module")
def ended(platform: Platform) -> str:
    """Return the stream of an execution that has ended."""
    return f"execution:{ended_execution(platform)}"


@pytest.fixture(scope="module")
def replay(platform: Platform, ended: str) -> str:
    """Return the stream of a replay that takes long."""
    body = {"filter": {"execution": ended.removeprefix("execution:")}, "speed": 0.01}
    return str(platform.request("POST", "/api/events/replay/", json=body).json()["stream"])


class AskingClient:
    """Sends frames, and collects what answers them."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def answers(self, frames: list[str | bytes]) -> list[Frame]:
        """Send frames at once. Return as many answers."""
        for frame in frames:
            await self.socket.send(frame)
        found: list[Frame] = []
        while len(found) < len(frames):
            frame = json.loads(await self.socket.recv())
            if frame["type"] not in DELIVERED:
                found.append(frame)
        return found


@asynccontextmanager
async def client_of(platform: Platform) -> AsyncIterator[AskingClient]:
    headers = {"Authorization": f"Bearer {platform.token}"}
    async with asyncio.timeout(120), connect(platform.ws_url, additional_headers=headers, max_size=None) as socket:
        yield AskingClient(socket)


async def test_a_hundred_thousand_events_are_read_in_pages_without_an_unanswered_request(platform: Platform) -> None:
    execution = await asyncio.to_thread(ended_execution, platform)
    stream = f"execution:{execution}"
    await asyncio.to_thread(lengthen, platform.environment["DATABASE_URL"], stream, MANY)
    read: list[int] = []
    async with client_of(platform) as client:
        subscribe = json.dumps({"type": "subscribe", "stream": stream, "after": MANY})
        assert (await client.answers([subscribe]))[0]["head"] == MANY
        for start in range(0, MANY, 10_000):
            asked = range(start, start + 10_000, 500)  # more than one at a time
            frames: list[str | bytes] = []
            for after in asked:
                # As the pages do while they are not sure: the stream is subscribed again in between.
                frames += [subscribe, json.dumps({"type": "read", "stream": stream, "after": after, "limit": 500})]
            for after, (first, second) in zip(asked, pairs(await client.answers(frames)), strict=True):
                assert (first["type"], second["type"], second["after"]) == ("subscribed", "page", after)
                read += [event["sequence"] for event in second["events"]]
    assert read == list(range(1, MANY + 1))


def pairs(answers: list[Frame]) -> list[tuple[Frame, Frame]]:
    return list(zip(answers[::2], answers[1::2], strict=True))


# --- any frames, in any order ----------------------------------------------------------------------------------------

NOWHERE = f"execution:{uuid4()}"
GARBAGE: list[tuple[str | bytes, str | None]] = [
    ("", None),
    ("{", None),
    ("null", None),
    ("[]", None),
    ('"subscribe"', None),
    ("{}", None),
    (b"\x00\xff", None),
    ('{"type": "explode"}', None),
    ('{"type": "read"}', None),
    ('{"type": "read", "stream": "executions", "after": -1}', "executions"),
    ('{"type": "read", "stream": "executions", "after": 1e400}', None),
    ('{"type": "subscribe", "stream": "executions", "after": 99999999999999999999}', "executions"),
    ('{"type": "subscribe", "stream": "executions", "types": ["no.such"]}', "executions"),
    ('{"type": "subscribe", "stream": "a\\u0000b"}', "a\0b"),
    ('{"type": "subscribe", "stream": "\\ud800"}', None),
    ('{"type": "subscribe", "stream": 5}', None),
    ('{"type": "ping", "more": 1}', None),
    ("[" * 3000, None),
    ('{"type": "' + "x" * 60_000 + '"}', None),
]


class Expected:
    """The answers that the protocol demands, from the subscriptions that the client has."""

    def __init__(self) -> None:
        self.subscribed: set[str] = set()

    def answer(self, request: Any) -> tuple[Any, ...]:
        """Return the type of the answer and its stream; for errors, the code too."""
        if isinstance(request, tuple):
            return ("error", request[1], "bad_frame")
        kind, stream = request["type"], request.get("stream")
        if kind == "ping":
            return ("pong", None)
        if stream == NOWHERE and kind not in {"read", "unsubscribe"}:
            return ("error", stream, "not_found")
        if kind == "subscribe":
            self.subscribed.add(stream)
            return ("subscribed", stream)
        if kind == "unsubscribe":
            self.subscribed.discard(stream)
            return ("unsubscribed", stream)
        if kind == "read":
            return ("page", stream) if stream in self.subscribed else ("error", stream, "bad_frame")
        return ("controlled", stream)


def requests_about(streams: list[str], replay: str) -> st.SearchStrategy[Any]:
    stream = st.sampled_from([*streams, replay, NOWHERE])
    after = st.sampled_from([0, 1, 3, 2**62])
    control = st.sampled_from(["pause", "resume"])
    return st.one_of(
        st.builds(
            lambda s, a: {"type": "subscribe", "stream": s, "after": a},
            st.sampled_from([*streams, NOWHERE]),
            after | st.integers(-5, -1),
        ),
        # Not beyond its end: the replay would be set back, which another `subscribed` tells.
        st.just({"type": "subscribe", "stream": replay}),
        st.builds(lambda s, a: {"type": "read", "stream": s, "after": a, "limit": 2}, stream, after),
        st.builds(lambda s: {"type": "unsubscribe", "stream": s}, stream),
        st.builds(lambda c, s: {"type": c, "stream": s}, control, st.sampled_from([replay, NOWHERE])),
        st.just({"type": "ping"}),
        st.sampled_from(GARBAGE),
    )


async def test_any_frames_in_any_order_get_one_answer_each_in_their_order(
    platform: Platform, ended: str, replay: str
) -> None:
    async with client_of(platform) as client:

        @given(st.lists(requests_about([ended, "executions", "system"], replay), max_size=20))
        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        def some(asked: list[Any]) -> None:
            drawn.append(asked)

        drawn: list[list[Any]] = []
        await asyncio.to_thread(some)
        expected = Expected()
        for asked in drawn:
            frames = [each[0] if isinstance(each, tuple) else json.dumps(each) for each in asked]
            answers = await client.answers(frames)
            for request, answer in zip(asked, answers, strict=True):
                wanted = expected.answer(request)
                got = (answer["type"], answer.get("stream"), answer.get("code"))
                assert got[: len(wanted)] == wanted, (request, answer)
