"""One client that watches 100 of 1,000 streams and does not read for a minute, at 10,000 events a second.

What the 1,000 others feel of it, and what it costs the web process in memory; rounds with and without it take turns.
Pings are off: at their usual pace such a client would be cut off after 35 s. In the end it reads again, and has to get
everything, in sequence.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.plan import Plan
from tests.benchmarks.reporting import Report
from tests.benchmarks.sockets import Socket
from tests.benchmarks.watching import Watched, Watcher, quantile, watch, writing
from tests.benchmarks.web_process import WebProcess, prepared, web

STREAMS, REFUSED = 1000, 100
RATE = 10_000
ROUNDS = int(os.environ.get("SLOW_CLIENT_ROUNDS", "3"))
SECONDS = float(os.environ.get("SLOW_CLIENT_SECONDS", "60"))
PLAN = Plan.paced(STREAMS, RATE, SECONDS)


@dataclass
class Round:
    """Milliseconds, bytes and seconds of one round."""

    delays: list[float]
    growth: int
    caught_up: float = 0.0


def run(folder: Path, report: Report) -> None:
    """Measure and report: `value` with the slow client, `baseline` without."""
    environment = prepared()
    rounds: dict[bool, list[Round]] = {False: [], True: []}
    for number in range(ROUNDS):
        for slow in ((False, True), (True, False))[number % 2]:
            with web(folder, environment, "--ping-interval", "600", "--ping-timeout", "600") as process:
                rounds[slow].append(asyncio.run(measure(process, environment, slow)))
    told = {"at": f"{RATE} events/s", "seconds": SECONDS, "streams": STREAMS}
    for title, share in (("p50", 0.5), ("p99", 0.99)):
        each = {slow: [round(quantile(one.delays, share), 1) for one in rounds[slow]] for slow in rounds}
        ours, baseline = (quantile([d for one in rounds[slow] for d in one.delays], share) for slow in (True, False))
        report(f"slow_client.others_{title}", "ms", ours, baseline, with_it=each[True], without=each[False], **told)
    growth = {slow: [one.growth / 2**20 for one in rounds[slow]] for slow in rounds}
    report("slow_client.memory_growth", "MB", max(growth[True]), max(growth[False]), **told)
    report("slow_client.until_it_has_all", "s", statistics.median(one.caught_up for one in rounds[True]), **told)


async def measure(process: WebProcess, environment: dict[str, str], slow: bool) -> Round:
    """Run one round."""
    token, watcher, its_watcher = environment["BENCHMARK_TOKEN"], Watcher(), Watcher()
    expected = PLAN.batches * PLAN.streams_per_batch * PLAN.events_per_stream
    async with writing(PLAN, environment) as writer:
        sockets = await watch(process, token, [[stream] for stream in writer.streams], watcher)
        refusing: list[Socket] = []
        if slow:
            refusing = await watch(process, token, [writer.streams[:REFUSED]], its_watcher)
            refusing[0].transport.pause_reading()  # type: ignore[attr-defined]
        before = await process.settled_memory()
        writer.begin()
        peak = asyncio.create_task(highest(process))
        written = await writer.written()
        await watcher.until(lambda: watcher.arrived >= expected)
        peak.cancel()
        growth = await peak - before
        caught_up = await read_again(refusing[0], its_watcher) if refusing else 0.0
    for socket in [*sockets, *refusing]:
        socket.transport.close()
    return Round(Watched(PLAN, writer.streams, written, watcher.came).delays(), growth, caught_up)


async def read_again(socket: Socket, its_watcher: Watcher) -> float:
    """Let the client read. Returns the seconds until it has everything."""
    began = asyncio.get_running_loop().time()
    socket.transport.resume_reading()  # type: ignore[attr-defined]
    wanted = sum(PLAN.expected(place) for place in range(REFUSED))
    await its_watcher.until(lambda: its_watcher.arrived >= wanted)
    return asyncio.get_running_loop().time() - began


async def highest(process: WebProcess) -> int:
    """Return the most memory that the process had until this was cancelled."""
    peak = 0
    try:
        while True:
            peak = max(peak, process.memory())
            await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        return peak
