"""What the stream does when the channel layer fails it, writers compete, or a stranger asks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from websockets.asyncio.client import ClientConnection, connect

from events import log
from events.catalogue.stream_names import FEED
from events.log import NewEvent, reading
from events.log.models import Stream
from events.log.recorded import RecordedEvent
from events.streaming import hub as hub_module
from events.streaming import session
from events.streaming.batch import EventBatch
from events.streaming.hub import Hub
from events.streaming.publisher import group_of
from events.streaming.requests import PageRequest
from events.streaming.session import Session
from events.streaming.subscription import StreamSubscription
from events.streaming.viewer import Viewer
from tests.conftest import Platform
from tests.engine import COMMITS
from tests.recording import read_stream
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.database_threads import in_database

Frame = dict[str, Any]


def open_stream() -> Stream:
    workspace, _ = Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})
    return log.open_stream(f"execution:{uuid4()}", workspace.pk)


def say(stream: Stream, message: str, type_: str = "execution.log") -> RecordedEvent:
    data = {"level": "info", "message": message} if type_ == "execution.log" else {"reason": message}
    with transaction.atomic():
        (event,) = log.append([NewEvent(stream.pk, type_, data, "tests")])
    return event


def end(stream: Stream) -> RecordedEvent:
    summary = {"duration_ms": 1.0, "nodes_executed": 0, "nodes_failed": 0, "nodes_skipped": 0}
    data = {"reason": "Requested.", "by": None, "summary": summary | {"slowest": None, "fastest": None}}
    with transaction.atomic():
        (event,) = log.append([NewEvent(stream.pk, "execution.cancelled", data, "tests")])
    return event


def close() -> None:
    connection.close()


class Watcher:
    """A session with one subscription, whose frames are kept, with a condition to wait for."""

    def __init__(self, stream: Stream) -> None:
        self.frames: list[Frame] = []
        self._came = asyncio.Event()
        viewer = Viewer(User(), False, frozenset([str(stream.workspace_id)]))
        self.session = Session(Hub(), viewer, self, 10)
        self.session.subscribe(stream.name, 0, None)
        self._stream = stream.name

    @property
    def subscription(self) -> StreamSubscription:
        return self.session.subscriptions[self._stream]

    async def events(self, stream: str, sequences: Sequence[int], envelopes: Sequence[str], through: int) -> None:
        assert [json.loads(text)["sequence"] for text in envelopes] == list(sequences)
        await self.frame({"type": "events", "events": [json.loads(text) for text in envelopes], "through": through})

    async def frame(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._came.set()

    @property
    def sequences(self) -> list[int]:
        return [event["sequence"] for frame in self.frames for event in frame.get("events", [])]

    async def until(self, last: int) -> None:
        async with asyncio.timeout(240):
            while not self.sequences or self.sequences[-1] < last:
                self._came.clear()
                await self._came.wait()

    async def live(self) -> None:
        await self.told("live")

    async def told(self, kind: str) -> None:
        async with asyncio.timeout(240):
            while not any(frame["type"] == kind for frame in self.frames):
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def watching(stream: Stream) -> AsyncIterator[Watcher]:
    """Watch through a hub that never starts: what is said comes from the test, or not at all."""
    watcher = Watcher(stream)
    task = asyncio.create_task(watcher.session.run())
    try:
        await watcher.live()
        yield watcher
    finally:
        task.cancel()


def batch(stream: Stream, *events: RecordedEvent) -> EventBatch:
    texts = [event.json(stream.name) for event in events]
    return EventBatch(stream.name, events[0].sequence, [event.type for event in events], texts, None)


@COMMITS
async def test_a_message_that_never_came_is_read_from_the_log_when_the_next_one_comes() -> None:
    stream = await in_database(open_stream)
    async with watching(stream) as watcher:
        first, _lost, third = [await in_database(say, stream, text) for text in ("one", "two", "three")]
        watcher.subscription.offer(batch(stream, first))
        await watcher.until(1)
        watcher.subscription.offer(batch(stream, third))
        await watcher.until(3)
        assert watcher.sequences == [1, 2, 3]


@COMMITS
async def test_a_last_message_that_never_came_is_found_by_the_poll() -> None:
    stream = await in_database(open_stream)
    async with watching(stream) as watcher:
        await in_database(say, stream, "one")
        watcher.subscription.look(0)  # where it stood at the poll before
        watcher.subscription.look(1)
        await watcher.until(1)
        assert watcher.sequences == [1]


@COMMITS
async def test_a_group_that_cannot_be_joined_at_once_is_joined_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = await in_database(open_stream)
    watcher = Watcher(stream)
    monkeypatch.setattr(hub_module, "POLL_SECONDS", 600.0)  # only the group can tell what happens
    layer, failures = watcher.session.hub._layer, [TimeoutError(), ConnectionError()]
    join = layer.group_add
    joined = asyncio.Event()

    async def join_at_last(group: str, channel: str) -> None:
        if group == group_of(stream.name) and failures:
            raise failures.pop()
        await join(group, channel)
        if group == group_of(stream.name):
            joined.set()

    monkeypatch.setattr(layer, "group_add", join_at_last, raising=False)
    watcher.session.hub.enter()
    task = asyncio.create_task(watcher.session.run())
    try:
        await watcher.live()
        await asyncio.wait_for(joined.wait(), 240)
        await in_database(say, stream, "one")
        await watcher.until(1)
    finally:
        task.cancel()
        watcher.session.hub.leave()


@dataclass(eq=False)
class Wanted:
    """As much of a subscription as the hub needs to join its group."""

    stream: str


async def test_groups_that_many_want_at_once_are_joined_in_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, each would wait for several turns of a loop that is busy with all of them."""
    hub, join, rounds = Hub(), Hub._join_requested, list[int]()

    async def counted(self: Hub) -> None:
        rounds.append(1)
        await join(self)

    monkeypatch.setattr(Hub, "_join_requested", counted)
    hub.enter()
    try:
        async with asyncio.timeout(240):
            while hub._channel is None:
                await asyncio.sleep(0.01)
            wanted: list[Any] = [Wanted(f"execution:{uuid4()}") for _ in range(200)]
            await asyncio.gather(*(hub.watch([each]) for each in wanted))
        assert hub._joined >= {each.stream for each in wanted}
        assert len(rounds) <= 2
    finally:
        hub.leave()


@COMMITS
async def test_an_end_that_comes_between_the_look_at_the_stream_and_its_page_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, read, ends = await in_database(open_stream), reading.page_after, list[RecordedEvent]()

    def read_after_the_end(*arguments: Any) -> list[RecordedEvent]:
        if not ends:
            ends.append(end(stream))
        return read(*arguments)

    await in_database(say, stream, "one")
    monkeypatch.setattr(reading, "page_after", read_after_the_end)
    async with watching(stream) as watcher:
        watcher.subscription.offer(batch(stream, *ends))
        await watcher.told("end")
        assert watcher.sequences == [1, 2]


@COMMITS
async def test_a_page_of_a_stream_that_has_ended_is_answered() -> None:
    stream = await in_database(open_stream)
    await in_database(say, stream, "one")
    async with watching(stream) as watcher:
        ended = await in_database(end, stream)
        watcher.subscription.offer(batch(stream, ended))
        await watcher.told("end")
        watcher.session.request(PageRequest(stream.name, 0, 10))
        await watcher.told("page")
        assert [len(frame["events"]) for frame in watcher.frames if frame["type"] == "page"] == [2]


@COMMITS
async def test_messages_that_come_twice_or_late_are_sent_once() -> None:
    stream = await in_database(open_stream)
    async with watching(stream) as watcher:
        one, two, three = [await in_database(say, stream, text) for text in ("one", "two", "three")]
        for part in ([two], [one], [one, two], [two, three], [three]):
            watcher.subscription.offer(batch(stream, *part))
        await watcher.until(3)
        assert watcher.sequences == [1, 2, 3]


@COMMITS
async def test_a_client_slower_than_its_buffer_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_BUFFERED_BYTES", 2000)
    stream = await in_database(open_stream)
    async with watching(stream) as watcher:
        events = [await in_database(say, stream, str(number)) for number in range(20)]
        for event in events:  # without a pause: the session has no chance to send meanwhile
            watcher.subscription.offer(batch(stream, event))
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
    kept = [read_stream(stream.name) for stream in streams]
    for events in kept:
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert sum(len(events) for events in kept) == 6 * 25 * 2
    workspaces = [stream.workspace_id for stream in streams if stream.workspace_id]
    feed = read_stream(FEED, before, workspace_ids=workspaces)
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
            assert (frame["type"], frame["code"], frame["stream"]) == ("error", "not_found", stream)


@pytest.mark.parametrize(
    ("token", "path", "code"),
    [("nobody", "", 4401), ("", f"executions/{UUID(int=0)}/", 4404), ("", "elsewhere/", 4404)],
    ids=["not authenticated", "no such execution", "no such address"],
)
async def test_a_refused_socket_is_closed_with_its_code(platform: Platform, token: str, path: str, code: int) -> None:
    async with socket_of(platform, token or platform.token, path) as socket:
        await asyncio.wait_for(socket.wait_closed(), 240)
        assert socket.close_code == code
