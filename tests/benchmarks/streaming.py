"""From the commit to the client: 100 streams, each watched over a socket of its own, through a real web process.

The baseline is the same frames sent straight through the channel layer to a consumer that only hands them on, with no
persistence, order or replay. The two take turns, so that a noisy machine disturbs both.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.conftest import manage
from tests.servers import running
from workflow_platform.embedded import free_port, wait_until

STREAMS = 100
ROUNDS = 3
FLAT_OUT_BATCHES = 100
PACED_BATCHES, PACED_RATE = 60, 6.0
APPLICATIONS = {"persisted": "workflow_platform.asgi:application", "bare": "tests.benchmarks.bare:application"}


def run(folder: Path, report: Callable[..., None]) -> None:
    """Measure and report."""
    environment = os.environ | {"ADMIN_PASSWORD": "for-the-benchmark", "OUTBOUND_ALLOW": ""}
    manage(environment, "migrate", "-v0")
    token = manage(environment, "first_start").split("API token ")[1].split()[0]
    rates: dict[str, list[float]] = {"persisted": [], "bare": []}
    delays: dict[str, list[float]] = {"persisted": [], "bare": []}
    for _ in range(ROUNDS):
        for mode in APPLICATIONS:
            with web(mode, folder, environment) as url:
                times, came = asyncio.run(measure(mode, url, token, environment, FLAT_OUT_BATCHES, 0))
                rates[mode].append(STREAMS * len(times) / (max(map(max, came)) - times[0]))
                times, came = asyncio.run(measure(mode, url, token, environment, PACED_BATCHES, PACED_RATE))
                delays[mode] += [came_at - times[n] for stream in came for n, came_at in enumerate(stream)]
    rate = {mode: statistics.median(found) for mode, found in rates.items()}
    report("stream.events_per_second", "1/s", rate["persisted"], rate["bare"], streams=STREAMS, rounds=ROUNDS)
    cuts = {mode: statistics.quantiles(found, n=100) for mode, found in delays.items()}
    at = f"{STREAMS * PACED_RATE:g} events/s"
    for name, index in (("p50", 49), ("p99", 98)):
        figure = f"stream.commit_to_client_{name}"
        report(figure, "ms", cuts["persisted"][index] * 1000, cuts["bare"][index] * 1000, streams=STREAMS, at=at)


@contextmanager
def web(mode: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run a web process; yields its address."""
    port = free_port()
    options = ["-b", "127.0.0.1", "-p", str(port), "--websocket_timeout", "-1"]
    command = [sys.executable, "-m", "daphne", *options, APPLICATIONS[mode]]
    with running(command, folder / f"bench-{mode}.log", env=environment):
        url = f"ws://127.0.0.1:{port}/ws/"
        wait_until(lambda: asyncio.run(answers(url)), "The web process")
        yield url


async def answers(url: str) -> bool:
    try:
        async with connect(url):
            return True
    except (OSError, WebSocketException):
        return False


async def measure(
    mode: str, url: str, token: str, environment: dict[str, str], batches: int, rate: float
) -> tuple[list[float], list[list[float]]]:
    """Return when each batch was written, and for each stream when its events came, in seconds.

    Raises AssertionError if an event is missing, doubled or out of sequence.
    """
    words = ["-m", "tests.benchmarks.writer", mode, str(STREAMS), str(batches), str(rate)]
    pipe = asyncio.subprocess.PIPE
    writer = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdin=pipe, stdout=pipe, limit=2**20
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    streams = json.loads(await writer.stdout.readline())
    live = asyncio.Semaphore(0)
    watchers = [asyncio.create_task(watch(url, token, stream, batches, live)) for stream in streams]
    for _ in streams:
        await asyncio.wait_for(live.acquire(), 60)
    writer.stdin.write(b"go\n")
    times = json.loads(await asyncio.wait_for(writer.stdout.readline(), 300))
    came = await asyncio.wait_for(asyncio.gather(*watchers), 120)
    writer.stdin.close()
    await writer.wait()
    return times, came


async def watch(url: str, token: str, stream: str, batches: int, live: asyncio.Semaphore) -> list[float]:
    """Return when each event of the stream came."""
    came: list[float] = []
    held = 0
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}, max_size=None) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": stream, "after": 0}))
        while held < batches:
            frame: dict[str, Any] = json.loads(await socket.recv())
            now = time.monotonic()
            if frame["type"] == "live":
                live.release()
            for event in frame.get("events", []):
                held += 1
                assert event["sequence"] == held, (stream, event["sequence"], held)
                came.append(now)
    return came
