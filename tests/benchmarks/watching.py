"""Clients that watch what a writer process writes, and check it: every event, each once, in sequence."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.benchmarks.plan import Plan
from tests.benchmarks.sockets import Socket, connect
from tests.benchmarks.web_process import WebProcess

CONNECTING_AT_ONCE = 50
PATIENCE_SECONDS = 300.0
Key = tuple[int, str]
"""A client, and a stream that it watches."""


class WrongEvent(Exception):
    """A client was sent what it should not have been at this place."""


class Watcher:
    """Holds when each event of each stream came to each client; fails at one that is missing, doubled or moved."""

    def __init__(self) -> None:
        self.came: dict[Key, list[float]] = {}
        self.live: set[Key] = set()
        self.arrived = self.degraded = 0
        self._failure: Exception | None = None
        self._changed = asyncio.Event()

    def taker(self, client: int) -> Callable[[dict[str, Any], float], None]:
        """Return what takes the frames of a client."""
        return partial(self._take, client)

    def _take(self, client: int, frame: dict[str, Any], now: float) -> None:
        kind = frame["type"]
        if kind == "events":
            events = frame["events"]
            held = self.came.setdefault((client, frame["stream"]), [])
            for sequence, event in enumerate(events, len(held) + 1):
                if event["sequence"] != sequence:
                    self._failure = self._failure or WrongEvent(
                        f"{frame['stream']}: {event['sequence']}, not {sequence}"
                    )
            held.extend([now] * len(events))
            self.arrived += len(events)
        elif kind == "live":
            self.live.add((client, frame["stream"]))
        elif kind == "degraded":
            self.degraded += 1
        elif kind != "subscribed":
            self._failure = self._failure or WrongEvent(frame)
        self._changed.set()

    async def until(self, reached: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(seconds):
            while self._failure is not None or not reached():
                if self._failure is not None:
                    raise self._failure
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Watched:
    """What the clients of one run saw."""

    plan: Plan
    streams: list[str]
    """In the order in which they are written."""
    written: list[float]
    """When each batch was committed, in seconds."""
    came: dict[Key, list[float]]

    @property
    def rate(self) -> float:
        """Events delivered per second, from the first commit to the last arrival."""
        events = sum(map(len, self.came.values()))
        return events / (max(times[-1] for times in self.came.values()) - self.written[0])

    def delays(self, clients: Callable[[int], bool] = lambda client: True) -> list[float]:
        """Return from commit to arrival, for each event and client, in milliseconds."""
        place_of = {stream: place for place, stream in enumerate(self.streams)}
        found = []
        for (client, stream), times in self.came.items():
            if clients(client):
                place = place_of[stream]
                found += [(t - self.written[self.plan.batch_of(place, n)]) * 1000 for n, t in enumerate(times)]
        return found


class Writing:
    """A writer process."""

    def __init__(self, process: asyncio.subprocess.Process, streams: list[str]) -> None:
        self.process, self.streams = process, streams

    def begin(self) -> None:
        """Let it write."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    async def written(self) -> list[float]:
        """Return when each batch was committed, when all are."""
        assert self.process.stdout is not None
        times: list[float] = json.loads(await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_SECONDS))
        return times


@asynccontextmanager
async def writing(plan: Plan, environment: dict[str, str]) -> AsyncIterator[Writing]:
    """Run a writer; it has made its streams."""
    pipe = asyncio.subprocess.PIPE
    words = ["-m", "tests.benchmarks.writer", plan.text()]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdin=pipe, stdout=pipe, limit=2**24
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Writing(process, json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)))
    finally:
        process.stdin.close()
        await process.wait()


async def watch(
    web: WebProcess, token: str, wanted: Sequence[Iterable[str]], watcher: Watcher, **options: Any
) -> list[Socket]:
    """Open a socket for each group of streams, and wait until all streams are live on it."""
    few = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(client: int, streams: Iterable[str]) -> Socket:
        async with few:
            socket = await connect(web.url, token, watcher.taker(client), **options)
        for stream in streams:
            socket.send({"type": "subscribe", "stream": stream, "after": 0})
        return socket

    sockets = await asyncio.gather(*(one(client, streams) for client, streams in enumerate(wanted)))
    expected = sum(len(list(streams)) for streams in wanted)
    await watcher.until(lambda: len(watcher.live) >= expected)
    return sockets


async def measured(
    web: WebProcess,
    environment: dict[str, str],
    plan: Plan,
    share: Callable[[list[str]], Sequence[Sequence[str]]] = lambda streams: [[stream] for stream in streams],
) -> Watched:
    """Return what clients saw of a plan; `share` says which streams each client watches: one each."""
    watcher = Watcher()
    async with writing(plan, environment) as writer:
        wanted = share(writer.streams)
        sockets = await watch(web, environment["BENCHMARK_TOKEN"], wanted, watcher)
        place_of = {stream: place for place, stream in enumerate(writer.streams)}
        expected = sum(plan.expected(place_of[stream]) for streams in wanted for stream in streams)
        writer.begin()
        written = await writer.written()
        await watcher.until(lambda: watcher.arrived >= expected)
    for socket in sockets:
        socket.transport.close()
    return Watched(plan, writer.streams, written, watcher.came)


def quantile(found: Sequence[float], share: float) -> float:
    """Return a quantile."""
    return statistics.quantiles(found, n=1000)[round(share * 1000) - 1] if len(found) > 1 else found[0]
