"""What the stream does when the channel layer fails it, writers compete, or a stranger asks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from django.db import connection, transaction
from websockets.asyncio.client import ClientConnection, connect

from events import log, session
from events.log import NewEvent
from events.models import FEED, Stream
from events.recorded import RecordedEvent
from events.session import Access, Subscription
from tests.conftest import Platform
from tests.engine import COMMITS
from workflow_platform.accounts.models import Workspace

Frame = dict[str, Any]


def open_stream() -> Stream:
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    return log.open_stream(f"execution:{uuid4()}", workspace.pk)


def say(stream: Stream, message: str, type_: str = "execution.log") -> RecordedEvent:
    data = {"level": "info", "message": message} if type_ == "execution.log" else {"reason": message}
    with transaction.atomic():
        (event,) = log.append([NewEvent(stream.pk, type_, data, "tests")])
    return event


def close() -> None:
    connection.close()


class Watcher:
    """A subscription whose frames are kept, with a condition to wait for."""

    def __init__(self, stream: Stream, after: int = 0) -> None:
        self.frames: list[Frame] = []
        self._came = asyncio.Event()
        access = Access(stream.name, 0, frozenset([stream.workspace_id] if stream.workspace_id else []))
        self.subscription = Subscription(access, after, self._send)

    async def _send(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._came.set()

    @property
    def sequences(self) -> list[int]:
        return [event["sequence"] for frame in self.frames for event in frame.get("events", [])]

    async def until(self, last: int) -> None:
        async with asyncio.timeout(20):
            while not self.sequences or self.sequences[-1] < last:
                self._came.clear()
                await self._came.wait()

    async def live(self) -> None:
        async with asyncio.timeout(20):
            while not any(frame["type"] == "live" for frame in self.frames):
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def watching(stream: Stream) -> AsyncIterator[Watcher]:
    watcher = Watcher(stream)
    watcher.subscription.start()
    try:
        await watcher.live()
        yield watcher
    finally:
        watcher.subscription.stop()
        await database_sync_to_async(close)()


def message(stream: Stream, *events: RecordedEvent) -> dict[str, Any]:
    return {"events": [event.json(stream.name) for event in events]}


@COMMITS
async def test_a_message_that_never_came_is_read_from_the_log_when_the_next_one_comes() -> None:
    stream = await database_sync_to_async(open_stream)()
    async with watching(stream) as watcher:
        first, _lost, third = [await database_sync_to_async(say)(stream, text) for text in ("one", "two", "three")]
        watcher.subscription.offer(message(stream, first))
        await watcher.until(1)
        watcher.subscription.offer(message(stream, third))
        await watcher.until(3)
        assert watcher.sequences == [1, 2, 3]


@COMMITS
async def test_a_last_message_that_never_came_is_found_by_the_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "POLL_SECONDS", 0.05)
    stream = await database_sync_to_async(open_stream)()
    async with watching(stream) as watcher:
        await database_sync_to_async(say)(stream, "one")
        await watcher.until(1)
        assert watcher.sequences == [1]


@COMMITS
async def test_messages_that_come_twice_or_late_are_sent_once() -> None:
    stream = await database_sync_to_async(open_stream)()
    async with watching(stream) as watcher:
        one, two, three = [await database_sync_to_async(say)(stream, text) for text in ("one", "two", "three")]
        for part in ([two], [one], [one, two], [two, three], [three]):
            watcher.subscription.offer(message(stream, *part))
        await watcher.until(3)
        assert watcher.sequences == [1, 2, 3]


@COMMITS
async def test_a_client_slower_than_its_buffer_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_BUFFERED", 5)
    stream = await database_sync_to_async(open_stream)()
    async with watching(stream) as watcher:
        events = [await database_sync_to_async(say)(stream, str(number)) for number in range(20)]
        for event in events:  # without a pause: the subscription has no chance to send meanwhile
            watcher.subscription.offer(message(stream, event))
        await watcher.until(20)
        assert watcher.sequences == list(range(1, 21))


@COMMITS
def test_writers_that_compete_leave_no_gap_and_one_order() -> None:
    streams = [open_stream() for _ in range(3)]

    def write(number: int) -> None:
        for turn in range(25):
            with transaction.atomic():
                chosen = [streams[(number + turn + k) % 3] for k in range(2)]
                log.append([NewEvent(s.pk, "execution.resumed", {"reason": f"{number}.{turn}"}, "t") for s in chosen])
        connection.close()

    before = log.head(FEED)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [log.read_after(stream.name, 0, 1000) for stream in streams]
    for events in kept:
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert sum(len(events) for events in kept) == 6 * 25 * 2
    workspaces = [stream.workspace_id for stream in streams if stream.workspace_id]
    feed = log.read_after(FEED, before, 1000, workspace_ids=workspaces)
    assert [event["sequence"] for event in feed] == list(range(before + 1, before + 301))


@asynccontextmanager
async def socket_of(platform: Platform, token: str, path: str = "") -> AsyncIterator[ClientConnection]:
    async with connect(platform.ws_url + path, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        yield socket


async def test_nonsense_gets_an_error_and_the_socket_goes_on(platform: Platform) -> None:
    async with socket_of(platform, platform.token) as socket:
        for garbage in ("{", "[]", '"x"', "null", '{"type": 5}', '{"type": "subscribe", "stream": ["x"]}'):
            await socket.send(garbage)
            assert json.loads(await socket.recv())["type"] == "error"
        await socket.send(b"\x00\xff")
        assert json.loads(await socket.recv())["type"] == "error"
        await socket.send('{"type": "ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}


async def test_a_stream_that_does_not_exist_is_an_error_that_names_it(platform: Platform) -> None:
    async with socket_of(platform, platform.token) as socket:
        for stream in (f"execution:{uuid4()}", f"workflow:{uuid4()}", "systems", "execution:", "nonsense"):
            await socket.send(json.dumps({"type": "subscribe", "stream": stream}))
            frame = json.loads(await socket.recv())
            assert (frame["type"], frame["stream"]) == ("error", stream)


@pytest.mark.parametrize(
    ("token", "path", "code"),
    [("nobody", "", 4401), ("", f"executions/{uuid4()}/", 4404), ("", "elsewhere/", 4404)],
    ids=["not authenticated", "no such execution", "no such address"],
)
async def test_a_refused_socket_is_closed_with_its_code(platform: Platform, token: str, path: str, code: int) -> None:
    async with socket_of(platform, token or platform.token, path) as socket:
        await asyncio.wait_for(socket.wait_closed(), 20)
        assert socket.close_code == code
