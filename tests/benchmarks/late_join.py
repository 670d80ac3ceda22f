"""Joining an execution that has 100,000 events, while it and 199 others go on at 5,000 events a second together.

One kind of client asks for everything (`after: 0`); the other begins with the last hundred (`after: -100`), is live
then, and loads the rest by pages. The 199 others are watched all the while: what do they feel of a client that joins?
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.plan import Plan
from tests.benchmarks.reporting import Report
from tests.benchmarks.sockets import Socket, connect
from tests.benchmarks.watching import Watched, Watcher, WrongEvent, quantile, watch, writing
from tests.benchmarks.web_process import WebProcess, prepared, web

STREAMS, HELD = 200, 100_000
RATE = 5_000
ALONE_SECONDS, JOINING_SECONDS = 6.0, 22.0
PLAN = Plan.paced(STREAMS, RATE, ALONE_SECONDS + JOINING_SECONDS + 2, held=HELD)
PAGE, PAGES_AT_ONCE = 1000, 8
PATIENCE_SECONDS = 60.0


@dataclass
class Join:
    """One client that joined: when, in seconds."""

    after: int
    began: float
    first: float = 0.0
    """The first frame with events."""
    live: float = 0.0
    complete: float = 0.0
    """Everything from the first event on is there."""


class Joiner:
    """A client that joins late; checks what it gets."""

    def __init__(self, stream: str, after: int) -> None:
        self._stream, self._after = stream, after
        self._socket: Socket
        self._next = 0
        """The sequence of the next event."""
        self._pages_until = self._page = self._answered = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.join = Join(after, time.monotonic())

    async def run(self, url: str, token: str) -> Join:
        """Join, and leave when everything is there."""
        self._socket = await connect(url, token, self._take)
        self._socket.send({"type": "subscribe", "stream": self._stream, "after": self._after})
        await asyncio.wait_for(self._done, PATIENCE_SECONDS)
        self._socket.transport.close()
        return self.join

    def _take(self, frame: dict[str, Any], now: float) -> None:
        kind = frame["type"]
        if kind == "subscribed":
            self._next, self._pages_until = frame["after"] + 1, frame["after"]
        elif kind == "events":
            self.join.first = self.join.first or now
            for event in frame["events"]:
                self._check(event["sequence"] == self._next)
                self._next += 1
        elif kind == "live":
            self.join.live = now
            for _ in range(PAGES_AT_ONCE if self._after < 0 else 0):
                self._ask()
            self._finish(now)
        elif kind == "page":
            self._check(frame["events"][0]["sequence"] == frame["after"] + 1)
            self._answered += PAGE
            self._ask()
            self._finish(now)

    def _ask(self) -> None:
        if self._page < self._pages_until:
            limit = min(PAGE, self._pages_until - self._page)
            self._socket.send({"type": "read", "stream": self._stream, "after": self._page, "limit": limit})
            self._page += PAGE

    def _finish(self, now: float) -> None:
        if (self._after == 0 or self._answered >= self._pages_until) and not self._done.done():
            self.join.complete = now
            self._done.set_result(None)

    def _check(self, right: bool) -> None:
        if not right and not self._done.done():
            self._done.set_exception(WrongEvent(self._stream))


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    environment = prepared()
    with web(folder, environment) as process:
        joins, others = asyncio.run(measure(process, environment))
    for after in (0, -100):
        mine = [join for join in joins if join.after == after]
        for title in ("first", "live", "complete"):
            times = [(getattr(join, title) - join.began) * 1000 for join in mine]
            figure = f"late_join.after_{after}.{title}"
            report(figure, "ms", statistics.median(times), slowest=round(max(times)), joins=len(mine), events=HELD)
    alone, joined = parted(others, joins)
    for title, share in (("p50", 0.5), ("p99", 0.99)):
        report(
            f"late_join.others_{title}", "ms", quantile(joined, share), quantile(alone, share), at=f"{RATE} events/s"
        )


async def measure(process: WebProcess, environment: dict[str, str]) -> tuple[list[Join], Watched]:
    """Return who joined, and what the others saw."""
    token, watcher = environment["BENCHMARK_TOKEN"], Watcher()
    joins: list[Join] = []
    async with writing(PLAN, environment) as writer:
        sockets = await watch(process, token, [[stream] for stream in writer.streams[1:]], watcher)
        writer.begin()
        await asyncio.sleep(ALONE_SECONDS)
        until = time.monotonic() + JOINING_SECONDS
        while time.monotonic() < until:
            for after in (0, -100):
                joins.append(await Joiner(writer.streams[0], after).run(process.url, token))
        written = await writer.written()
        await watcher.until(lambda: watcher.arrived >= sum(PLAN.expected(place) for place in range(1, STREAMS)))
    for socket in sockets:
        socket.transport.close()
    return joins, Watched(PLAN, writer.streams, written, watcher.came)


def parted(others: Watched, joins: list[Join]) -> tuple[list[float], list[float]]:
    """Return the delays of the others before anybody joined, and while somebody did, in milliseconds."""
    began, ended = joins[0].began, joins[-1].complete
    alone, joined = [], []
    for (_, stream), times in others.came.items():
        place = others.streams.index(stream)
        for n, came in enumerate(times):
            delay = (came - others.written[others.plan.batch_of(place, n)]) * 1000
            if came < began:
                alone.append(delay)
            elif came < ended:
                joined.append(delay)
    return alone, joined
