"""Redis dies, or hangs: who watches goes on getting every event, marked `degraded`, and is live again by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.answering import answering
from tests.integration.test_asyncapi import Session
from tests.recovery.watchers import NONE, Lines, faults, start_gated
from tests.sites import Process, Site
from workflow_platform.installation.embedded import wait_until

SECONDS = 240


def end(redis: Process) -> None:
    redis.kill()


def begin(redis: Process) -> None:
    redis.start()


def freeze(redis: Process) -> None:
    redis.send(signal.SIGSTOP)


def thaw(redis: Process) -> None:
    redis.send(signal.SIGCONT)


class Told(Session):
    """A session that keeps what is told of one stream."""

    events: list[dict[str, Any]]

    async def up_to(self, kind: str, stream: str) -> None:
        """Take frames up to one of a kind."""
        while (frame := await self.next())["type"] != kind or frame.get("stream") != stream:
            pass

    async def up_to_event(self, type_: str, count: int) -> None:
        """Take frames until so many events of a type have come."""
        while sum(event["type"] == type_ for event in self.events) < count:
            await self.next()

    async def next(self) -> dict[str, Any]:
        frame = await super().next()
        self.events += frame.get("events", [])
        return frame


@pytest.mark.parametrize(("takes_away", "brings_back"), [(end, begin), (freeze, thaw)], ids=["dies", "hangs"])
async def test_without_redis_events_still_come_and_with_it_the_stream_is_live_again(
    hurt: Site, takes_away: Callable[[Process], None], brings_back: Callable[[Process], None]
) -> None:
    web = await asyncio.to_thread(hurt.web)
    await asyncio.to_thread(hurt.wait_until_ready)
    with answering() as server:
        (execution,) = await asyncio.to_thread(start_gated, hurt, server.url, 1, 3)
        stream = f"execution:{execution}"
        lines = Lines(web.url, hurt.token, [execution])
        async with connect(web.ws_url, additional_headers=hurt.headers) as socket, asyncio.timeout(240):
            session = Told(socket)
            session.events = []
            await session.ask("subscribe", stream=stream, after=0)
            await session.up_to("live", stream)
            await asyncio.to_thread(takes_away, hurt.redis)
            try:
                asking = asyncio.create_task(asyncio.to_thread(execute_without_redis, hurt))
                await session.up_to("degraded", stream)
                server.open("gate0")
                await session.up_to_event("execution.node_completed", 5)
                asked = await asking
            finally:
                await asyncio.to_thread(brings_back, hurt.redis)
            await session.up_to("live", stream)
            server.open("gate1")
            await session.up_to_event("execution.node_completed", 9)
            server.open("gate2")
            await session.up_to("end", stream)
        await asyncio.to_thread(lines.finish, SECONDS)
    history = await asyncio.to_thread(hurt.history, execution)
    assert faults(session.events, history) == NONE
    assert faults(lines.held[execution], history) == NONE
    assert session.sent >= {"degraded", "live", "end"}
    assert lines.told[execution] >= {"degraded", "live", "end"}
    # What was asked for meanwhile waits for the sweep, and for a worker that has found its way back.
    await asyncio.to_thread(wait_until, lambda: status(hurt, asked) == "completed", "The execution", SECONDS)


def test_a_worker_outlives_the_loss_of_redis_also_when_it_was_about_to_say_that_it_lives(hurt: Site) -> None:
    hurt.web()
    hurt.wait_until_ready()
    (worker,) = hurt.workers
    said = len(worker.log.read_text())
    hurt.redis.kill()
    try:
        wait_until(lambda: "heartbeat of the worker skipped" in worker.log.read_text()[said:], "A heartbeat", SECONDS)
        asked = execute_without_redis(hurt)
    finally:
        hurt.redis.start()
    wait_until(lambda: status(hurt, asked) == "completed", "The execution", SECONDS)
    assert "quitting" not in worker.log.read_text()[said:]


def execute_without_redis(site: Site) -> str:
    """Start an execution; the answer does not wait for Redis for long. Returns its id."""
    definition = {
        "name": "Short",
        "nodes": [{"id": "start", "name": "Start", "type": "manual_trigger", "parameters": {}}],
        "edges": [],
    }
    workflow = site.request("POST", "/api/workflows/", json=definition).json()["id"]
    answer = site.request("POST", f"/api/workflows/{workflow}/execute/", json={})
    assert answer.status_code == 202
    assert site.request("GET", "/readyz").json()["redis"] is False
    return str(answer.json()["id"])


def status(site: Site, execution: str) -> str:
    return str(site.request("GET", f"/api/executions/{execution}/").json()["status"])
