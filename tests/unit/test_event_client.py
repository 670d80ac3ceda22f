"""The Python client's parts that need no server, and a server that talks garbage."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from events.client import (
    Event,
    EventClient,
    EventClientError,
    HistoryRemoved,
    ProtocolError,
    Refused,
    SequenceGap,
    State,
)
from events.client.address import websocket_url
from events.client.backoff import LONGEST, delay_before
from events.client.subscription import Subscription
from tests.conftest import ROOT
from tests.hostile import own_certificate

STREAM = "execution:of-a-test"


def events(*sequences: int, stream: str = STREAM, **further: Any) -> dict[str, Any]:
    return {"type": "events", "stream": stream, "events": [{"sequence": n} for n in sequences]} | further


def subscribed(stream: str = STREAM, after: int = 0, types: list[str] | None = None) -> Subscription:
    subscription = Subscription(stream, after, types, None, follow=True)
    subscription.request()
    subscription.take({"type": "subscribed", "stream": stream, "head": 9})
    return subscription


def taken(subscription: Subscription) -> list[int]:
    return [event["sequence"] for event, _ in subscription.buffer if event is not None]


def test_importing_the_client_imports_no_django() -> None:
    code = "import sys, events.client.__main__; print([name for name in sys.modules if 'django' in name])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_delays_grow_to_the_longest_and_spread_from_nothing() -> None:
    chance = Random(1)
    delays = [[delay_before(attempt, 1006, chance) for _ in range(500)] for attempt in range(12)]
    assert max(delays[0]) <= 0.1
    assert max(delays[0]) < max(delays[2]) < max(delays[11]) <= LONGEST
    assert min(delays[11]) < 0.05
    assert max(delay_before(200, None, chance) for _ in range(500)) <= LONGEST


def test_a_restarting_server_gets_its_clients_back_spread_over_a_second() -> None:
    delays = [delay_before(0, 1012, Random(n)) for n in range(500)]
    assert min(delays) < 0.05
    assert 0.95 < max(delays) <= 1


def test_who_is_one_too_many_keeps_away_for_longer() -> None:
    assert max(delay_before(12, 4429, Random(n)) for n in range(100)) > 10


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/ws/"),
        ("https://platform.example/", "wss://platform.example/ws/"),
        ("https://platform.example/flows/", "wss://platform.example/flows/ws/"),
        ("ws://[::1]:80", "ws://[::1]:80/ws/"),
        ("wss://platform.example/live/", "wss://platform.example/live/"),
    ],
)
def test_the_socket_is_found_from_the_platforms_address(url: str, address: str) -> None:
    assert websocket_url(url) == address


@pytest.mark.parametrize(
    "url", ["platform", "ftp://a", "http://a/?token=secret", "http://u:secret@a/", "http://a/#secret"]
)
def test_an_address_that_could_hold_a_secret_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="platform's URL") as refused:
        websocket_url(url)
    assert "secret" not in str(refused.value)


def test_what_was_held_already_is_dropped() -> None:
    subscription = subscribed(after=2)
    for frame in (events(1, 2, 3), events(3), events(2, 3, 4)):
        subscription.take(frame)
    assert taken(subscription) == [3, 4]


@pytest.mark.parametrize("frame", [events(4), events(3, 5), {"type": "end", "stream": STREAM, "sequence": 3}])
def test_a_gap_in_an_executions_stream_is_an_error(frame: dict[str, Any]) -> None:
    with pytest.raises(SequenceGap):
        subscribed(after=2).take(frame)


def test_streams_of_which_one_sees_a_part_have_gaps() -> None:
    for subscription in (subscribed("executions"), subscribed(types=["execution.log"])):
        subscription.take(events(3, 7, stream=subscription.stream))
        subscription.take({"type": "end", "stream": subscription.stream, "sequence": 9})
        assert taken(subscription) == [3, 7]


def test_a_long_lived_stream_may_begin_late_and_then_has_no_gaps() -> None:
    subscription = subscribed("system")
    subscription.take(events(50, 51, stream="system"))
    with pytest.raises(SequenceGap):
        subscription.take(events(53, stream="system"))


def test_a_filtered_cursor_moves_over_what_is_left_out() -> None:
    subscription = subscribed(types=["execution.log"])
    subscription.take(events(3, through=8))
    subscription.take(events(through=20))
    assert subscription.request()["after"] == 20
    assert [cursor for _, cursor in subscription.buffer] == [3, 8, 20]


def test_a_negative_cursor_is_what_the_server_made_of_it() -> None:
    subscription = Subscription(STREAM, -3, None, None, follow=True)
    assert subscription.request()["after"] == -3
    subscription.take({"type": "subscribed", "stream": STREAM, "head": 9, "after": 6})
    subscription.take(events(7, 8))
    assert subscription.request()["after"] == 8


def test_a_stream_that_was_handed_back_takes_nothing_until_it_is_asked_for_again() -> None:
    subscription = subscribed()
    subscription.take(events(1))
    subscription.park()
    subscription.take(events(2))
    subscription.parked = False
    assert subscription.request()["after"] == 1
    subscription.take(events(2, 3))
    assert taken(subscription) == [1, 2, 3]


def test_an_end_whose_events_were_removed_is_an_error_for_who_lacks_them() -> None:
    end = {"type": "end", "stream": STREAM, "sequence": 9, "removed": True}
    with pytest.raises(HistoryRemoved):
        subscribed(after=2).take(end)
    subscription = subscribed(after=9)
    subscription.take(end)
    assert subscription.over


def test_events_removed_after_the_cursor_are_an_error_that_says_where_to_go_on() -> None:
    for stream, after in ((STREAM, 0), (STREAM, 2), ("system", 2)):
        subscription = Subscription(stream, after, None, None, follow=True)
        with pytest.raises(HistoryRemoved) as removed:
            subscription.take({"type": "subscribed", "stream": stream, "head": 9, "after": after, "removed_through": 5})
        assert removed.value.through == 5


def test_who_asks_for_what_there_is_begins_after_what_was_removed() -> None:
    for stream, after in ((STREAM, -9), ("system", 0)):
        subscription = Subscription(stream, after, None, None, follow=True)
        subscription.take({"type": "subscribed", "stream": stream, "head": 9, "after": 0, "removed_through": 5})
        subscription.take(events(6, 7, stream=stream))
        assert taken(subscription) == [6, 7]


def test_a_filtered_cursor_follows_what_live_and_end_say() -> None:
    subscription = subscribed(types=["execution.log"])
    for kind, sequence in (("live", 8), ("end", 12)):
        subscription.take({"type": kind, "stream": STREAM, "sequence": sequence})
    assert [cursor for _, cursor in subscription.buffer] == [8, 12]


def test_a_replay_goes_backwards_when_it_is_told_to() -> None:
    subscription = subscribed("replay:1")
    subscription.take(events(5, 6, stream="replay:1"))
    subscription.take(events(2, stream="replay:1"))
    assert taken(subscription) == [5, 6, 2]
    assert subscription.request()["after"] == 2


def test_degraded_is_told_and_left_again() -> None:
    subscription = subscribed()
    states = []
    for kind in ("live", "degraded", "live"):
        subscription.take({"type": kind, "stream": STREAM, "sequence": 0})
        states.append(subscription.state)
    subscription.disconnected()
    assert [*states, subscription.state] == [State.LIVE, State.DEGRADED, State.LIVE, State.RECONNECTING]


@asynccontextmanager
async def saying(*frames: str | bytes) -> AsyncIterator[str]:
    """Run a server that accepts a subscription and says these frames."""

    async def say(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribed", "stream": STREAM, "head": 0}))
        for frame in frames:
            await socket.send(frame)
        await socket.wait_closed()

    async with serve(say, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def heard(*frames: str | bytes) -> list[Event]:
    """Return what a tail gives of them up to the stream's end."""
    async with asyncio.timeout(60), saying(*frames) as url, EventClient(url, token="any") as client:
        return [event async for event in client.tail(STREAM)]


@pytest.mark.parametrize(
    ("garbage", "error"),
    [
        ("{", ProtocolError),
        ("[]", ProtocolError),
        ("null", ProtocolError),
        ('{"stream": "x"}', ProtocolError),
        ('{"type": "live", "stream": ["x"], "sequence": 1}', ProtocolError),
        (b'{"type": "pong"}', ProtocolError),
        (json.dumps({"type": "events", "stream": STREAM}), ProtocolError),
        (json.dumps({"type": "events", "stream": STREAM, "events": [1]}), ProtocolError),
        (json.dumps({"type": "events", "stream": STREAM, "events": [{"sequence": "1"}]}), ProtocolError),
        (json.dumps(events(1, through=None)), ProtocolError),
        (json.dumps({"type": "end", "stream": STREAM}), ProtocolError),
        (json.dumps(events(2)), SequenceGap),
        (json.dumps({"type": "error", "code": "bad_frame", "stream": None, "detail": "What?"}), Refused),
        (json.dumps({"type": "error", "code": "too_many", "stream": STREAM, "detail": "No."}), Refused),
    ],
)
async def test_garbage_from_the_server_is_an_error_at_once(garbage: str | bytes, error: type[EventClientError]) -> None:
    with pytest.raises(error):
        await heard(garbage)


async def test_frames_that_are_new_or_of_others_are_passed_over() -> None:
    end = json.dumps({"type": "end", "stream": STREAM, "sequence": 1})
    new = json.dumps({"type": "tomorrow", "stream": STREAM, "sequence": "x"})
    other = json.dumps(events(5, stream="execution:another"))
    assert await heard(new, '{"type": "pong"}', other, json.dumps(events(1)), new, end) == [{"sequence": 1}]


@pytest.mark.parametrize("stale", [[], [{"type": "subscribed", "stream": STREAM, "head": 9, "after": 7}, events(8, 9)]])
async def test_what_was_asked_for_before_does_not_count(stale: list[dict[str, Any]]) -> None:
    """A tail is let go before its answer has come, if it comes, and another begins elsewhere in the same stream."""
    given = {"type": "subscribed", "stream": STREAM, "head": 9, "after": 0}
    answers = [*stale, given, events(1, 2), {"type": "end", "stream": STREAM, "sequence": 2}]

    async def say(socket: ServerConnection) -> None:
        assert [json.loads(await socket.recv())["type"] for _ in range(2)] == ["subscribe", "unsubscribe"]
        await socket.send(json.dumps({"type": "unsubscribed", "stream": STREAM}))
        assert json.loads(await socket.recv())["after"] == 0
        for frame in answers:
            await socket.send(json.dumps(frame))
        await socket.wait_closed()

    async with asyncio.timeout(60), serve(say, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with EventClient(url, token="any") as client:
            first = client.tail(STREAM, after=7)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(first), 0.1)
            await first.close()
            assert [event["sequence"] async for event in client.tail(STREAM)] == [1, 2]


async def test_a_server_nobody_vouches_for_gets_no_token(tmp_path: Path) -> None:
    context, certificate = own_certificate(tmp_path)
    asked: list[str] = []

    async def say(socket: ServerConnection) -> None:
        assert socket.request is not None
        asked.append(socket.request.headers["Authorization"])
        await socket.recv()
        for kind in ("subscribed", "end"):
            await socket.send(json.dumps({"type": kind, "stream": STREAM, "head": 0, "sequence": 0}))
        await socket.wait_closed()

    async with asyncio.timeout(60), serve(say, "127.0.0.2", 0, ssl=context) as server:
        url = f"https://127.0.0.2:{next(iter(server.sockets)).getsockname()[1]}"
        async with EventClient(url, token="any") as client:
            with pytest.raises(EventClientError, match="certificate"):
                await anext(client.tail(STREAM))
        assert not asked
        trusting = ssl.create_default_context(cafile=certificate)
        async with EventClient(url, token="any", tls=trusting) as client:
            assert [event async for event in client.tail(STREAM)] == []
        assert asked == ["Bearer any"]
