"""Fan-out: one client that watches 1,000 streams, and 1,000 clients that watch one stream.

Both flat out, in events delivered to clients a second, and at a moderate rate, from the commit to each client. The
baseline is the same frames through the channel layer to a consumer that only hands them on; the two take turns.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.plan import Plan
from tests.benchmarks.reporting import Report
from tests.benchmarks.watching import measured, quantile
from tests.benchmarks.web_process import APPLICATIONS, prepared, web

MANY = 1000
ROUNDS = 1
Share = Callable[[list[str]], Sequence[Sequence[str]]]
CASES: dict[str, tuple[Share, Plan, Plan]] = {
    "one_client_1000_streams": (
        lambda streams: [streams],
        Plan(MANY, batches=500),
        Plan.paced(MANY, 5_000, 8),
    ),
    "1000_clients_one_stream": (
        lambda streams: [streams] * MANY,
        Plan(1, batches=16, streams_per_batch=1),
        Plan.paced(1, 20, 8, streams_per_batch=1, events_per_stream=10),
    ),
}
"""How streams are shared among clients; what is written flat out, and at a moderate rate."""


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    environment = prepared()
    for name, (share, flat_out, paced) in CASES.items():
        rates: dict[str, list[float]] = {mode: [] for mode in APPLICATIONS}
        delays: dict[str, list[float]] = {mode: [] for mode in APPLICATIONS}
        for _ in range(ROUNDS):
            for mode in APPLICATIONS:
                with web(folder, environment, mode=mode) as process:
                    plans = [dataclasses.replace(plan, mode=mode) for plan in (flat_out, paced)]
                    rates[mode].append(asyncio.run(measured(process, environment, plans[0], share)).rate)
                    delays[mode] += asyncio.run(measured(process, environment, plans[1], share)).delays()
        ours, bare = (statistics.median(rates[mode]) for mode in APPLICATIONS)
        report(f"fan_out.{name}.delivered", "1/s", ours, bare, rounds=rates)
        written = paced.batches_per_second * paced.streams_per_batch * paced.events_per_stream
        for title, part in (("p50", 0.5), ("p99", 0.99)):
            ours, bare = (quantile(delays[mode], part) for mode in APPLICATIONS)
            report(f"fan_out.{name}.commit_to_client_{title}", "ms", ours, bare, at=f"{written:g} events/s")
