"""From the moment at which a web process that was killed, or stopped, answers again, until its clients are live.

Clients of two kinds, each with a stream of its own: `events.client`, and a bare socket with the same back-off, as a
page has. One of each first, in several rounds; then 500 sockets at once, whose arrivals are to be spread. The process
is started again at once, as the supervisor does; it answers from when its port takes the first connection.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from events.client import EventClient, State
from events.client.backoff import delay_before
from tests.benchmarks.plan import Plan
from tests.benchmarks.reporting import Report
from tests.benchmarks.sockets import connect
from tests.benchmarks.watching import quantile, writing
from tests.benchmarks.web_process import command, prepared
from workflow_platform.installation.embedded import free_port

ROUNDS, MANY = 3, 500
PATIENCE_SECONDS = 90.0
SPREAD_MS = 100
"""The size of the slices of time in which arrivals are counted."""


class Client(Protocol):
    """Watches a stream for as long as it runs."""

    live_at: float | None
    """When it last became live (CLOCK_MONOTONIC, seconds); None while it is not."""

    async def run(self) -> None:
        """Watch, and come back whenever the connection is lost."""


class Page:
    """A bare socket that behaves as a page does."""

    def __init__(self, url: str, token: str, stream: str, changed: Callable[[], None]) -> None:
        self.live_at: float | None = None
        self.attempts = 0
        self._url, self._token, self._stream, self._changed = url, token, stream, changed
        self._tries = 0

    async def run(self) -> None:
        """Watch, and come back whenever the connection is lost."""
        while True:
            code: int | None = None
            with suppress(OSError):
                self.attempts += 1
                socket = await connect(self._url, self._token, self._take)
                socket.send({"type": "subscribe", "stream": self._stream, "after": 0})
                code = await socket.closed
            self.live_at = None
            self._changed()
            await asyncio.sleep(delay_before(self._tries, code))
            self._tries += 1

    def _take(self, frame: dict[str, Any], now: float) -> None:
        if frame["type"] == "live":
            self.live_at, self._tries = now, 0
            self._changed()


class Program:
    """The Python client."""

    def __init__(self, url: str, token: str, stream: str, changed: Callable[[], None]) -> None:
        self.live_at: float | None = None
        self._url, self._token, self._stream, self._changed = url, token, stream, changed

    async def run(self) -> None:
        """Watch, and come back whenever the connection is lost."""
        async with EventClient(self._url, token=self._token) as client:
            following = asyncio.create_task(self._follow(client))
            async for _ in client.tail(self._stream):
                pass
            await following

    async def _follow(self, client: EventClient) -> None:
        async for state in client.states():
            self.live_at = time.monotonic() if state is State.LIVE else None
            self._changed()


class Web:
    """A web process that can be killed and started again at the same address."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment, self._port = folder, environment, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"ws://127.0.0.1:{self._port}/ws/"

    async def start(self) -> float:
        """Start it. Returns the time at which it answers."""
        with (self._folder / f"reconnect-{self._port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command("persisted", self._port), stdout=log, stderr=log, env=self._environment
            )
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._answers():
                await asyncio.sleep(0.005)
        return time.monotonic()

    async def stop(self, number: signal.Signals) -> None:
        """Send a signal, and wait until it has gone."""
        assert self._process is not None
        self._process.send_signal(number)
        await asyncio.to_thread(self._process.wait, PATIENCE_SECONDS)

    async def _answers(self) -> bool:
        host = urlsplit(self.url)
        try:
            _, writer = await asyncio.open_connection(host.hostname, host.port)
        except OSError:
            return False
        writer.close()
        return True


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    environment = prepared()
    asyncio.run(measure(folder, environment, report))


async def measure(folder: Path, environment: dict[str, str], report: Report) -> None:
    """Measure one of each kind, then many at once."""
    web, token = Web(folder, environment), environment["BENCHMARK_TOKEN"]
    await web.start()
    try:
        async with writing(Plan(MANY + 1, batches=0, streams_per_batch=1), environment) as writer:
            crowd = Crowd(web)
            crowd.let_in([kind(web.url, token, writer.streams[0], crowd.tell) for kind in (Page, Program)])
            for how in (signal.SIGKILL, signal.SIGTERM):
                rounds = [await crowd.restart(how) for _ in range(ROUNDS)]
                for place, kind in enumerate(("socket", "events_client")):
                    times = [later[place] for later in rounds]
                    _tell(report, f"reconnect.{kind}.{how.name}", times)
            await crowd.leave()
            crowd.let_in([Page(web.url, token, stream, crowd.tell) for stream in writer.streams[1:]])
            for how in (signal.SIGKILL, signal.SIGTERM):
                times = await crowd.restart(how)
                slices = Counter(int(second * 1000 // SPREAD_MS) for second in times)
                told = {"busiest_100_ms": max(slices.values()), "attempts": crowd.attempts}
                _tell(report, f"reconnect.{MANY}_sockets.{how.name}", times, **told)
            await crowd.leave()
    finally:
        await web.stop(signal.SIGTERM)


def _tell(report: Report, figure: str, times: list[float], **further: Any) -> None:
    cuts = {title: round(quantile(times, share), 2) for title, share in (("p50", 0.5), ("p95", 0.95))}
    report(f"{figure}.median", "s", statistics.median(times), **cuts, first=round(min(times), 2), **further)
    report(f"{figure}.last", "s", max(times), clients=len(times))


class Crowd:
    """Clients of a web process that goes and comes back."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._clients: list[Client] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self.attempts = 0
        """Connections that were tried in the last restart."""

    def tell(self) -> None:
        """Hear that a client's state has changed."""
        self._changed.set()

    def let_in(self, clients: list[Client]) -> None:
        """Let clients begin."""
        self._clients = clients
        self._tasks = [asyncio.create_task(client.run()) for client in clients]

    async def leave(self) -> None:
        """End all clients."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def restart(self, how: signal.Signals) -> list[float]:
        """Stop the process and start it again. Returns each client's seconds from its first answer to being live."""
        await self._until_all_live()
        before = self._attempts()
        await self._web.stop(how)
        for client in self._clients:
            client.live_at = None
        answered = await self._web.start()
        await self._until_all_live()
        self.attempts = self._attempts() - before
        return [max(0.0, client.live_at - answered) for client in self._clients if client.live_at is not None]

    def _attempts(self) -> int:
        return sum(client.attempts for client in self._clients if isinstance(client, Page))

    async def _until_all_live(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(client.live_at is None for client in self._clients):
                self._changed.clear()
                await self._changed.wait()
