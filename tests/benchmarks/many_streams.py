"""5,000 streams watched at once on one web process: 5,000 sockets with one each, and 50 sockets with a hundred each.

Every stream then gets one event, to show that it is live. Memory is what belongs to the web process (PSS), above what
it held when one client had come and gone, when it has settled: with all streams live, and again after their events.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.benchmarks.plan import Plan
from tests.benchmarks.reporting import Report
from tests.benchmarks.watching import Watcher, watch, writing
from tests.benchmarks.web_process import WebProcess, prepared, web

STREAMS = 5000
SOCKETS = (5000, 50)
ONE_EACH = Plan(STREAMS, batches=STREAMS // 200, streams_per_batch=200, events_per_stream=1)
WARM_UP = Plan(8, batches=1)


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    environment = prepared()
    for sockets in SOCKETS:
        with web(folder, environment) as process:
            asyncio.run(measure(process, environment, sockets, report))


async def measure(process: WebProcess, environment: dict[str, str], clients: int, report: Report) -> None:
    """Measure and report one way to share the streams among sockets."""
    token = environment["BENCHMARK_TOKEN"]
    async with writing(WARM_UP, environment) as writer:
        for socket in await watch(process, token, [writer.streams], Watcher()):
            socket.transport.close()
    idle = await process.settled_memory()
    watcher = Watcher()
    async with writing(ONE_EACH, environment) as writer:
        each = STREAMS // clients
        shares = [writer.streams[start : start + each] for start in range(0, STREAMS, each)]
        began, used = time.monotonic(), process.cpu_seconds()
        sockets = await watch(process, token, shares, watcher)
        connected, spent = time.monotonic() - began, process.cpu_seconds() - used
        live = await process.settled_memory()
        writer.begin()
        written = await writer.written()
        await watcher.until(lambda: watcher.arrived >= STREAMS)
        arrived = max(times[-1] for times in watcher.came.values()) - written[0]
        after = await process.settled_memory()
    for socket in sockets:
        socket.transport.close()
    shared = {"streams": STREAMS, "sockets": clients}
    report("many_streams.until_all_live", "s", connected, cpu=round(spent, 2), degraded=watcher.degraded, **shared)
    report("many_streams.one_event_to_each", "s", arrived, **shared)
    per_hundred, further = ((memory - idle) / STREAMS * 100 / 2**20 for memory in (live, after))
    told = {"after_events": round(further, 2), "idle_mb": idle >> 20, "all_mb": live >> 20}
    report("many_streams.memory_per_100_streams", "MB", per_hundred, **told, **shared)
