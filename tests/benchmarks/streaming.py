"""From the commit to the client: 1,000 streams, each watched over a socket of its own, through one real web process.

The baseline is the same frames sent straight through the channel layer to a consumer that only hands them on, with no
persistence, order or replay. The two take turns, so that a noisy machine disturbs both.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.sockets import Socket, connect
from tests.benchmarks.writer import EVENTS_PER_BATCH, EVENTS_PER_STREAM, STREAMS_PER_BATCH
from tests.conftest import manage
from tests.servers import running
from workflow_platform.embedded import free_port, wait_until

STREAMS = 1000
ROUNDS = 3
FLAT_OUT_BATCHES = 1000
"""Events for about ten seconds."""
SUSTAINED_RATE, SUSTAINED_SECONDS = 25_000, 30
PACED_RATE, PACED_SECONDS = 10_000, 15
APPLICATIONS = {
    "persisted": ["workflow_platform.web", "workflow_platform.asgi:application"],
    "bare": ["daphne", "tests.benchmarks.bare:application"],
}
Report = Callable[..., None]


@dataclass
class Watched:
    """What the clients of one run saw."""

    written: list[float]
    """When each batch was committed, in seconds."""
    came: dict[str, list[float]] = field(default_factory=dict)
    """When each event of each stream came."""

    @property
    def rate(self) -> float:
        """Events per second, from the first commit to the last arrival."""
        events = sum(map(len, self.came.values()))
        return events / (max(times[-1] for times in self.came.values()) - self.written[0])

    def delays(self, streams: list[str]) -> list[float]:
        """Return from commit to arrival, for each event, in milliseconds."""
        found = []
        turns = len(streams) // STREAMS_PER_BATCH
        for place, stream in enumerate(streams):
            first = place // STREAMS_PER_BATCH
            for n, came in enumerate(self.came[stream]):
                found.append((came - self.written[first + n // EVENTS_PER_STREAM * turns]) * 1000)
        return found


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    environment = prepared()
    token = environment["BENCHMARK_TOKEN"]
    rates: dict[str, list[float]] = {"persisted": [], "bare": []}
    delays: dict[str, list[float]] = {"persisted": [], "bare": []}
    for _ in range(ROUNDS):
        for mode in APPLICATIONS:
            with web(mode, folder, environment) as (url, _pid):
                rates[mode].append(asyncio.run(measure(mode, url, token, environment, FLAT_OUT_BATCHES, 0))[0].rate)
                batches = PACED_RATE * PACED_SECONDS // EVENTS_PER_BATCH
                paced, streams = asyncio.run(
                    measure(mode, url, token, environment, batches, PACED_RATE / EVENTS_PER_BATCH)
                )
                delays[mode] += paced.delays(streams)
    rate = {mode: statistics.median(found) for mode, found in rates.items()}
    report("stream.events_per_second", "1/s", rate["persisted"], rate["bare"], streams=STREAMS, rounds=rates)
    report_delays("stream.commit_to_client", report, delays["persisted"], delays["bare"], PACED_RATE)
    with web("persisted", folder, environment) as (url, _pid):
        batches = SUSTAINED_RATE * SUSTAINED_SECONDS // EVENTS_PER_BATCH
        seen, streams = asyncio.run(
            measure("persisted", url, token, environment, batches, SUSTAINED_RATE / EVENTS_PER_BATCH)
        )
        report(
            "stream.sustained_events_per_second", "1/s", seen.rate, seconds=SUSTAINED_SECONDS, offered=SUSTAINED_RATE
        )
        report_delays("stream.sustained_commit_to_client", report, seen.delays(streams), None, SUSTAINED_RATE)


def report_delays(name: str, report: Report, ours: list[float], bare: list[float] | None, rate: int) -> None:
    """Report the middle and the tail of delays."""
    cuts = [statistics.quantiles(found, n=100) if found else None for found in (ours, bare)]
    for title, index in (("p50", 49), ("p99", 98)):
        values = [found[index] if found else None for found in cuts]
        report(f"{name}_{title}", "ms", *values, streams=STREAMS, at=f"{rate} events/s")


def prepared() -> dict[str, str]:
    """Migrate, and return the environment of the benchmark's processes."""
    limits = {"WS_MAX_CONNECTIONS": "6000", "WS_MAX_CONNECTIONS_PER_USER": "6000"}
    environment = os.environ | {"ADMIN_PASSWORD": "for-the-benchmark", "OUTBOUND_ALLOW": ""} | limits
    manage(environment, "migrate", "-v0")
    environment["BENCHMARK_TOKEN"] = manage(environment, "first_start").split("API token ")[1].split()[0]
    return environment


@contextmanager
def web(mode: str, folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Run a web process; yields its address and its process number."""
    port = free_port()
    module, application = APPLICATIONS[mode]
    options = ["-b", "127.0.0.1", "-p", str(port), "--websocket_timeout", "-1", "-v", "0"]
    command = [sys.executable, "-m", module, *options, application]
    with running(command, folder / f"bench-{mode}.log", env=environment) as process:
        url = f"ws://127.0.0.1:{port}/ws/"
        wait_until(lambda: asyncio.run(answers(url)), "The web process")
        yield url, process.pid


async def answers(url: str) -> bool:
    """Tell whether a socket can be opened."""
    try:
        (await connect(url, "nobody", lambda frame, now: None)).transport.close()
    except OSError:
        return False
    return True


class Watcher:
    """Holds what came of each stream; fails at an event that is missing, doubled or out of sequence."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.came: dict[str, list[float]] = {}
        self.live = 0
        self.changed = asyncio.Event()
        self.complete = 0

    def take(self, frame: dict[str, Any], now: float) -> None:
        """Take a frame."""
        kind = frame["type"]
        if kind == "events":
            held = self.came.setdefault(frame["stream"], [])
            for event in frame["events"]:
                assert event["sequence"] == len(held) + 1, (frame["stream"], event["sequence"], len(held))
                held.append(now)
            if len(held) >= self.expected:
                self.complete += 1
                self.changed.set()
        elif kind == "live":
            self.live += 1
            self.changed.set()
        else:
            assert kind == "subscribed", frame

    async def until(self, reached: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(seconds):
            while not reached():
                self.changed.clear()
                await self.changed.wait()


async def measure(
    mode: str, url: str, token: str, environment: dict[str, str], batches: int, rate: float
) -> tuple[Watched, list[str]]:
    """Return what the clients saw, and the streams in the order in which they are written."""
    words = ["-m", "tests.benchmarks.writer", mode, str(STREAMS), str(batches), str(rate)]
    pipe = asyncio.subprocess.PIPE
    writer = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdin=pipe, stdout=pipe, limit=2**20
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    streams: list[str] = json.loads(await writer.stdout.readline())
    watcher = Watcher(batches * STREAMS_PER_BATCH // STREAMS * EVENTS_PER_STREAM)
    sockets = await watch(url, token, streams, watcher)
    writer.stdin.write(b"go\n")
    written = json.loads(await asyncio.wait_for(writer.stdout.readline(), 300))
    await watcher.until(lambda: watcher.complete >= STREAMS, 300)
    writer.stdin.close()
    await writer.wait()
    for socket in sockets:
        socket.transport.close()
    return Watched(written, watcher.came), streams


async def watch(url: str, token: str, streams: list[str], watcher: Watcher) -> list[Socket]:
    """Open a socket for each stream, and wait until all are live."""
    sockets = []
    for stream in streams:
        socket = await connect(url, token, watcher.take)
        socket.send({"type": "subscribe", "stream": stream, "after": 0})
        sockets.append(socket)
    await watcher.until(lambda: watcher.live >= len(streams), 60)
    return sockets
