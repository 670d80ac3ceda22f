"""What a web process does for clients that do not read, and tells them when it stops."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.benchmarks.plan import Plan
from tests.benchmarks.watching import Watcher, watch, writing
from tests.benchmarks.web_process import WebProcess, web
from tests.conftest import Platform

PLAN = Plan(8, batches=300)
EVENTS = 60_000
"""About 30 MB."""
MOST_GROWTH = 12 * 2**20
"""What one client may have waiting, and the breath of the process."""


def environment_of(platform: Platform) -> dict[str, str]:
    return platform.environment | {"DJANGO_SETTINGS_MODULE": "workflow_platform.settings"}


def listening_at(url: str) -> int:
    """Return the process that serves an address."""
    port = urlsplit(url).port
    return next(
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid is not None
    )


async def test_a_client_that_does_not_read_costs_the_web_process_little_and_gets_everything_later(
    platform: Platform,
) -> None:
    process = WebProcess(platform.ws_url, listening_at(platform.url))
    reading, refusing = Watcher(), Watcher()
    async with writing(PLAN, environment_of(platform)) as writer:
        (reader,) = await watch(process, platform.token, [writer.streams], reading)
        (slow,) = await watch(process, platform.token, [writer.streams], refusing)
        slow.transport.pause_reading()  # type: ignore[attr-defined]
        before = process.memory()
        writer.begin()
        await writer.written()
        await reading.until(lambda: reading.arrived == EVENTS, 60)
        assert process.memory() - before < MOST_GROWTH
        slow.transport.resume_reading()  # type: ignore[attr-defined]
        # In frames larger than any that a client may send.
        await refusing.until(lambda: refusing.arrived == EVENTS, 60)
    for socket in (reader, slow):
        socket.transport.close()
        await socket.closed


async def test_a_process_that_is_told_to_stop_asks_its_clients_to_come_back(platform: Platform, tmp_path: Path) -> None:
    environment = environment_of(platform)
    loop = asyncio.get_running_loop()
    async with writing(Plan(1, batches=0, streams_per_batch=1), environment) as writer:
        with_process = web(tmp_path, environment)
        process = await loop.run_in_executor(None, with_process.__enter__)
        try:
            (socket,) = await watch(process, platform.token, [writer.streams], Watcher())
            os.kill(process.pid, signal.SIGTERM)
            assert await asyncio.wait_for(socket.closed, 20) == 1012
        finally:
            await loop.run_in_executor(None, with_process.__exit__, None, None, None)
