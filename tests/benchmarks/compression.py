"""permessage-deflate, without memory between messages (WS_COMPRESSION), beside the same without: 1,000 streams, each
over a socket of its own, with texts as people write them. Both kinds of web process take turns."""

from __future__ import annotations

import asyncio
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.plan import Plan
from tests.benchmarks.reporting import Report
from tests.benchmarks.watching import Watched, Watcher, quantile, watch, writing
from tests.benchmarks.web_process import WebProcess, prepared, web

STREAMS = 1000
ROUNDS = 1
FLAT_OUT = Plan(STREAMS, batches=500, varied=True)
PACED = Plan.paced(STREAMS, 5_000, 8, varied=True)
SINGLE = Plan.paced(STREAMS, 2_000, 5, varied=True, streams_per_batch=100, events_per_stream=1)
"""Frames of one event, as most are in real life, and of 25."""


@dataclass
class Found:
    """Figures of one setting, one for each round; CPU and bytes are for an event delivered."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def middle(self, name: str) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.values[name])


UNITS = {
    "flat_out_rate": "1/s",
    "bytes_in_frames_of_25": "B/event",
    "bytes_in_frames_of_1": "B/event",
    "cpu_in_frames_of_25": "us/event",
    "cpu_in_frames_of_1": "us/event",
    "commit_to_client_p50": "ms",
    "commit_to_client_p99": "ms",
    "memory": "KiB/connection",
}


def run(folder: Path, report: Report) -> None:
    """Measure and report: `value` with compression, `baseline` without."""
    environment = prepared()
    found = {True: Found(), False: Found()}
    for _ in range(ROUNDS):
        for compressed in (True, False):
            settings = environment | {"WS_COMPRESSION": str(compressed).lower()}
            with web(folder, settings) as process:
                asyncio.run(measure(process, settings, compressed, found[compressed]))
    for name, unit in UNITS.items():
        report(f"compression.{name}", unit, found[True].middle(name), found[False].middle(name), connections=STREAMS)


async def measure(process: WebProcess, environment: dict[str, str], compressed: bool, found: Found) -> None:
    """Add the figures of one round."""
    values = found.values
    idle = await process.settled_memory()
    for title, plan in (("frames_of_25", FLAT_OUT), ("frames_of_25", PACED), ("frames_of_1", SINGLE)):
        seen, received, cpu, memory = await one(process, environment, plan, compressed)
        events = plan.batches * plan.streams_per_batch * plan.events_per_stream
        if plan is FLAT_OUT:
            values["flat_out_rate"].append(seen.rate)
            values["memory"].append((memory - idle) / STREAMS / 1024)
            continue
        values[f"bytes_in_{title}"].append(received / events)
        values[f"cpu_in_{title}"].append(cpu / events * 1e6)
        if plan is PACED:
            values["commit_to_client_p50"].append(quantile(seen.delays(), 0.5))
            values["commit_to_client_p99"].append(quantile(seen.delays(), 0.99))


async def one(
    process: WebProcess, environment: dict[str, str], plan: Plan, compressed: bool
) -> tuple[Watched, int, float, int]:
    """Return what was seen, the bytes on the wire, the CPU seconds of the web process, and its memory at the end."""
    watcher = Watcher()
    async with writing(plan, environment) as writer:
        shares = [[stream] for stream in writer.streams]
        sockets = await watch(process, environment["BENCHMARK_TOKEN"], shares, watcher, deflate=compressed)
        assert all(socket.compressed == compressed for socket in sockets)
        before, used = sum(socket.received_bytes for socket in sockets), process.cpu_seconds()
        writer.begin()
        written = await writer.written()
        expected = plan.batches * plan.streams_per_batch * plan.events_per_stream
        await watcher.until(lambda: watcher.arrived >= expected)
        spent = process.cpu_seconds() - used
        memory = await process.settled_memory()
    received = sum(socket.received_bytes for socket in sockets) - before
    for socket in sockets:
        socket.transport.close()
    return Watched(plan, writer.streams, written, watcher.came), received, spent, memory
