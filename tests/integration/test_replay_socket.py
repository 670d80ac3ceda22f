"""Replays over the WebSocket: watched, cut, come back to, and controlled, by those who may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.conf import settings
from websockets.asyncio.client import ClientConnection, connect

from events.replay.control import Command, apply_command
from events.replay.models import Replay
from events.streaming.hub import Hub
from events.streaming.session import Session
from events.streaming.viewer import Viewer
from tests.conftest import Platform
from tests.engine import COMMITS
from tests.executing import execute, save, until
from tests.people import Person
from tests.replaying import person, record, replay_of
from tests.workflows import edge, node
from workflow_platform.core.database_threads import in_database

Frame = dict[str, Any]


@pytest.fixture(scope="module")
def recorded(platform: Platform) -> list[Frame]:
    """Return the events of an execution that has ended."""
    nodes = [node("start", "manual_trigger"), node("end", "no_op")]
    execution = execute(platform, save(platform, nodes, [edge("start", "end")]), {"n": 1})
    until(platform, execution)
    return list(platform.request("GET", f"/api/executions/{execution}/events/").json()["events"])


def replay(platform: Platform, events: list[Frame], **pace: Any) -> Frame:
    body = {"filter": {"execution": events[0]["execution_id"]}, **pace}
    answer = platform.request("POST", "/api/events/replay/", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


class Client:
    """A client of one stream, with a cursor."""

    def __init__(self, socket: ClientConnection, stream: str) -> None:
        self.socket, self.stream = socket, stream

    async def say(self, type_: str, **values: Any) -> None:
        await self.socket.send(json.dumps({"type": type_, "stream": self.stream, **values}))

    async def until(self, type_: str) -> tuple[Frame, list[Frame]]:
        """Return the next frame of a type, and the events that came before it, or in it."""
        events: list[Frame] = []
        async with asyncio.timeout(240):
            while True:
                frame = json.loads(await self.socket.recv())
                events += frame.get("events", [])
                if frame["type"] == type_:
                    return frame, events


@asynccontextmanager
async def watching(platform: Platform, stream: str, token: str | None = None, **given: Any) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token or platform.token}"}
    async with connect(platform.ws_url, additional_headers=headers, max_size=None) as socket:
        client = Client(socket, stream)
        await client.say("subscribe", **given)
        yield client


async def test_a_client_that_is_cut_off_and_comes_back_gets_each_event_once(
    platform: Platform, recorded: list[Frame]
) -> None:
    made = replay(platform, recorded, delay_ms=40)
    held: list[Frame] = []
    ended = False
    while not ended:
        async with watching(platform, made["stream"], after=held[-1]["sequence"] if held else 0) as client:
            async with asyncio.timeout(240):
                while True:
                    frame = json.loads(await client.socket.recv())
                    held += frame.get("events", [])
                    ended = frame["type"] == "end"
                    if ended or (frame["type"] == "events" and len(held) % 3 == 0):
                        break
    assert [event["sequence"] for event in held] == list(range(1, len(recorded) + 1))
    for event, original in zip(held, recorded, strict=True):
        assert event.pop("replay") is True
        assert event.pop("original") == {"stream": original["stream"], "sequence": original["sequence"]}
        assert event | {"stream": original["stream"], "sequence": original["sequence"]} == original


async def test_those_who_watch_hear_of_each_change(platform: Platform, recorded: list[Frame]) -> None:
    made, total = replay(platform, recorded, delay_ms=3_000), len(recorded)
    async with watching(platform, made["stream"]) as one, watching(platform, made["stream"]) as other:
        for client in (one, other):
            assert (await client.until("replay"))[0]["state"] == "running"
            assert (await client.until("live"))[0]["sequence"] == 1
        await one.say("pause")
        for client in (one, other):
            assert (await client.until("replay"))[0]["state"] == "paused"
        await one.say("seek", sequence=5)
        for client in (one, other):
            assert (await client.until("replay"))[0]["sequence"] == 5
            assert [event["sequence"] for event in (await client.until("events"))[1]] == [2, 3, 4, 5]
        await other.say("seek", sequence=2)
        for client in (one, other):
            assert (await client.until("subscribed"))[0]["after"] == 2
            assert (await client.until("replay"))[0]["sequence"] == 2
        await one.say("read", after=0, limit=10)
        assert [event["sequence"] for event in (await one.until("page"))[0]["events"]] == [1, 2]
        await one.say("speed", speed=1000)
        await one.say("resume")
        for client in (one, other):
            end, events = await client.until("end")
            assert (end["sequence"], [event["sequence"] for event in events]) == (total, list(range(3, total + 1)))
    said = platform.request("GET", f"/api/events/replays/{made['id']}/").json()
    assert (said["state"], said["ended_at"] is not None) == ("completed", True)


async def test_a_client_that_was_away_during_a_step_back_is_set_back(platform: Platform, recorded: list[Frame]) -> None:
    made = replay(platform, recorded, delay_ms=60_000)
    path = f"/api/events/replays/{made['id']}/"
    platform.request("POST", f"{path}pause/")
    platform.request("POST", f"{path}seek/", json={"sequence": 2})
    async with watching(platform, made["stream"], after=6) as client:
        await client.until("subscribed")
        assert (await client.until("subscribed"))[0]["after"] == 2
        assert (await client.until("live"))[0]["sequence"] == 2


async def test_a_filtered_client_knows_what_it_skipped(platform: Platform, recorded: list[Frame]) -> None:
    made = replay(platform, recorded, at_once=True)
    async with watching(platform, made["stream"], types=["execution.completed"]) as client:
        frame, events = await client.until("events")
        assert ([event["type"] for event in events], frame["through"]) == (["execution.completed"], len(recorded))
        await client.until("end")


async def test_nobody_else_watches_or_changes_a_replay(platform: Platform, recorded: list[Frame]) -> None:
    made = replay(platform, recorded, delay_ms=60_000)
    stranger, colleague = Person(platform, None), Person(platform, "viewer")
    async with watching(platform, made["stream"], stranger.token) as client:
        assert (await client.until("error"))[0]["code"] == "not_found"
        for frame in ({"type": "pause"}, {"type": "seek", "sequence": 1}, {"type": "speed", "speed": 2}):
            await client.say(**{"type_" if name == "type" else name: value for name, value in frame.items()})
            assert (await client.until("error"))[0]["code"] == "not_found"
    async with watching(platform, made["stream"], colleague.token) as client:
        assert (await client.until("subscribed"))[0]["after"] == 0
        await client.say("pause")
        assert (await client.until("error"))[0]["code"] == "forbidden"
    assert platform.request("GET", f"/api/events/replays/{made['id']}/").json()["state"] == "running"


async def test_a_frame_without_meaning_is_refused_and_named(platform: Platform, recorded: list[Frame]) -> None:
    made = replay(platform, recorded, delay_ms=60_000)
    async with watching(platform, made["stream"]) as client:
        for frame, field in (({"sequence": 10**6}, "sequence"), ({}, "sequence"), ({"offset_ms": -1}, "offset_ms")):
            await client.say("seek", **frame)
            error = (await client.until("error"))[0]
            assert (error["code"], field in error["detail"]) == ("bad_frame", True), error


async def test_frames_may_be_larger_than_those_that_clients_may_send(platform: Platform) -> None:
    count = "return Array.from({ length: 60 }, (_, n) => ({ n }))"
    nodes = [node("start", "manual_trigger"), node("numbers", "code", code=count), node("each", "loop", batch_size=1)]
    nodes.append(node("seen", "set", fields={"seen": True}))
    edges = [edge("start", "numbers"), edge("numbers", "each"), edge("each", "seen", "loop"), edge("seen", "each")]
    execution = execute(platform, save(platform, nodes, edges))
    until(platform, execution)
    history = platform.request("GET", f"/api/executions/{execution}/events/?limit=1000").json()["events"]
    assert len(json.dumps(history)) > 2 * settings.WS_MAX_FRAME_BYTES
    made = replay(platform, history, at_once=True)
    for stream in (f"execution:{execution}", made["stream"]):
        async with watching(platform, stream) as client:
            _, events = await client.until("end")
            assert [event["sequence"] for event in events] == list(range(1, len(history) + 1))
            assert [event["id"] for event in events] == [event["id"] for event in history]


class Kept:
    """A client in this process whose frames are kept."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._came = asyncio.Event()

    async def events(self, stream: str, sequences: Sequence[int], envelopes: Sequence[str], through: int) -> None:
        await self.frame({"type": "events", "sequences": list(sequences), "through": through})

    async def frame(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._came.set()

    async def until(self, type_: str) -> Frame:
        """Return the next frame of a type that was not looked at before."""
        async with asyncio.timeout(240):
            while True:
                while self.frames:
                    if (frame := self.frames.pop(0))["type"] == type_:
                        return frame
                self._came.clear()
                await self._came.wait()


@COMMITS
async def test_while_hints_are_missing_a_watcher_says_so_and_finds_changes_by_itself() -> None:
    made, viewer = await in_database(_replay_here)
    client = Kept()
    session = Session(Hub(), viewer, client, 10)  # a hub that never starts: nothing is heard
    session.subscribe(made.stream, 0, None)
    task = asyncio.create_task(session.run())
    try:
        assert (await client.until("live"))["sequence"] == 1
        session.hub.degraded = True
        session.subscriptions[made.stream].state_changed()
        assert (await client.until("degraded"))["sequence"] == 1
        await in_database(apply_command, made.pk, Command("seek", sequence=3), None)
        assert (await client.until("events"))["sequences"] == [2, 3]
        await in_database(apply_command, made.pk, Command("cancel"), None)
        assert (await client.until("end"))["sequence"] == 3
    finally:
        session.close()
        task.cancel()


def _replay_here() -> tuple[Replay, Viewer]:
    execution, events = record([0, 60_000, 120_000, 180_000])
    user = person("viewer")
    return replay_of(execution, user)[0], Viewer(user, False, frozenset([str(events[0].workspace_id)]))
