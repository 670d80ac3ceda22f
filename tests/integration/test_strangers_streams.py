"""A person of another workspace asks for every stream, replay, export and filter of ours, and gets nothing.

A new way to read events is a new row of WAYS; a new kind of stream one of `streams`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import requests
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import Platform
from tests.integration.test_strangers import ours, stranger

__all__ = ["ours", "stranger"]

WAYS: list[tuple[str, int]] = [
    ("/api/events/stream/?stream={stream}", 404),
    ("/api/events/stream/?stream={stream}&after=-100", 404),
    ("/api/events/stream/?stream={stream}&format=ndjson", 404),
    ("/api/events/stream/?stream={stream}&level=lifecycle&types=execution.*", 404),
    ("/api/events/stream/?stream=executions&stream={stream}", 404),
    ("/api/events/export/?stream={stream}", 404),
    ("/api/events/?stream={stream}", 200),
    ("/api/events/?stream=executions,{stream}", 200),
    ("/api/events/?stream={stream}&format=ndjson", 200),
    ("/api/events/?stream={stream}&order=newest&limit=1000", 200),
    ("/api/executions/{executions}/stream/", 404),
    ("/api/executions/{executions}/stream/?after=-5&format=ndjson", 404),
    ("/api/executions/{executions}/events/", 404),
    ("/api/events/?execution={executions}", 200),
    ("/api/events/?execution={executions}&type=execution.*&source=executions.*", 200),
    ("/api/events/?execution={executions}&since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z", 200),
    ("/api/events/?workflow={workflows}", 200),
    ("/api/events/?workflow={workflows}&format=ndjson", 200),
    ("/api/events/?q={executions}", 200),
    ("/api/events/?after={cursor}", 200),
    ("/api/events/?after={cursor}&execution={executions}", 200),
    ("/api/events/replays/{replay}/", 404),
    ("/api/events/replays/?execution={executions}", 200),
]
"""What is asked for, and the answer's status; whatever it is, nothing of ours is in it."""
FILTERS = ({"execution": "{executions}"}, {"workflow": "{workflows}"}, {"stream": ["{stream}"]}, {"q": "{executions}"})
"""Of replays."""


@pytest.fixture(scope="module")
def streams(platform: Platform, ours: dict[str, str]) -> list[str]:
    """Return the names of streams of ours, of every kind that belongs to somebody. A replay is under way."""
    body = {"filter": {"execution": ours["executions"]}, "delay_ms": 60_000}
    made = platform.request("POST", "/api/events/replay/", json=body)
    assert made.status_code == 201, made.text
    ours["replay"] = made.json()["id"]
    ours["cursor"] = platform.request("GET", "/api/events/?limit=1").json()["next"]
    kinds = {"execution": "executions", "workflow": "workflows", "replay": "replay"}
    return [*(f"{kind}:{ours[place]}" for kind, place in kinds.items()), "system"]


def holds_events(text: str) -> bool:
    """Return whether an answer has events in it, or anything of one: whole, by the line, or as an event stream."""
    return '"sequence":' in text or '"data":{' in text


@pytest.mark.parametrize(("path", "status"), WAYS, ids=[path for path, _ in WAYS])
def test_no_way_to_read_events_leads_to_ours(
    platform: Platform,
    stranger: dict[str, str],
    ours: dict[str, str],
    streams: list[str],
    path: str,
    status: int,
) -> None:
    for stream in streams if "{stream}" in path else [""]:
        asked = path.format(stream=stream, **ours)
        answer = requests.get(platform.url + asked, headers=stranger, timeout=240)
        assert answer.status_code == status, (asked, answer.text[:300])
        assert not holds_events(answer.text), asked
        if "export" in path and stream.startswith("replay:"):
            continue  # nobody exports a replay
        for_us = platform.request("GET", asked, stream=True)
        assert for_us.status_code in {200, 204}, (asked, for_us.status_code)
        for_us.close()


def test_a_replay_of_what_is_ours_shows_nothing(
    platform: Platform,
    stranger: dict[str, str],
    ours: dict[str, str],
    streams: list[str],
) -> None:
    for template in FILTERS:
        for stream in streams:
            wanted = json.loads(json.dumps(template).replace("{stream}", stream))
            wanted = {k: v.format(**ours) if isinstance(v, str) else v for k, v in wanted.items()}
            body = {"filter": wanted}
            answer = requests.post(f"{platform.url}/api/events/replay/", headers=stranger, json=body, timeout=240)
            assert answer.status_code in {201, 400}, answer.text
            if answer.status_code == 201:
                shown = asyncio.run(all_of(platform, stranger, f"replay:{answer.json()['id']}"))
                assert shown == [], wanted


async def all_of(platform: Platform, headers: dict[str, str], stream: str) -> list[dict[str, Any]]:
    """Return the events of a stream up to its end."""
    events: list[dict[str, Any]] = []
    async with connect(platform.ws_url, additional_headers=headers) as socket, asyncio.timeout(240):
        await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": 0}))
        while (frame := json.loads(await socket.recv()))["type"] not in {"end", "error"}:
            events += frame.get("events", [])
    return events


async def answers(socket: ClientConnection, *asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is said to frames."""
    for frame in asked:
        await socket.send(json.dumps(frame))
    await socket.send('{"type": "ping"}')
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(240):
        # An answer may come after the pong: it is looked up in the database.
        while len(frames) <= len(asked) or "pong" not in {frame["type"] for frame in frames}:
            frames.append(json.loads(await socket.recv()))
    return [frame for frame in frames if frame["type"] != "pong"]


async def test_no_frame_of_a_socket_leads_to_ours(
    platform: Platform,
    stranger: dict[str, str],
    streams: list[str],
) -> None:
    async with connect(platform.ws_url, additional_headers=stranger) as socket:
        for stream in streams:
            for asked in (
                {"type": "subscribe", "stream": stream, "after": 0},
                {"type": "subscribe", "stream": stream, "after": -100, "level": "lifecycle"},
                {"type": "subscribe", "stream": stream, "types": ["*"]},
                {"type": "read", "stream": stream, "after": 0},
                {"type": "pause", "stream": stream},
                {"type": "resume", "stream": stream},
                {"type": "seek", "stream": stream, "sequence": 0},
                {"type": "speed", "stream": stream, "speed": 100.0},
            ):
                said = await answers(socket, asked)
                assert {frame["type"] for frame in said} == {"error"}, (asked, said)
                assert {frame["code"] for frame in said} <= {"not_found", "bad_frame"}, (asked, said)


async def test_what_is_ours_and_what_there_is_not_look_the_same(
    platform: Platform,
    stranger: dict[str, str],
    streams: list[str],
) -> None:
    async with connect(platform.ws_url, additional_headers=stranger) as socket:
        for stream in streams[:-1]:
            nowhere = stream.split(":")[0] + ":00000000-0000-7000-8000-000000000000"
            (ours_,) = await answers(socket, {"type": "subscribe", "stream": stream})
            (none,) = await answers(socket, {"type": "subscribe", "stream": nowhere})
            assert ours_ | {"stream": ""} == none | {"stream": ""}
