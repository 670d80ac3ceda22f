"""From the commit to the client: 1,000 streams, each watched over a socket of its own, through one real web process.

The baseline is the same frames sent straight through the channel layer to a consumer that only hands them on, with no
persistence, order or replay. The two take turns, so that a noisy machine disturbs both.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
from pathlib import Path

from tests.benchmarks.plan import Plan
from tests.benchmarks.reporting import Report
from tests.benchmarks.watching import measured, quantile
from tests.benchmarks.web_process import APPLICATIONS, prepared, web

STREAMS = 1000
ROUNDS = 3
FLAT_OUT = Plan(STREAMS, batches=1000)
"""Events for about ten seconds."""
SUSTAINED_RATE, SUSTAINED_SECONDS = 25_000, 30
PACED_RATE, PACED_SECONDS = 10_000, 15


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    environment = prepared()
    rates: dict[str, list[float]] = {"persisted": [], "bare": []}
    delays: dict[str, list[float]] = {"persisted": [], "bare": []}
    for _ in range(ROUNDS):
        for mode in APPLICATIONS:
            with web(folder, environment, mode=mode) as process:
                flat_out = dataclasses.replace(FLAT_OUT, mode=mode)
                rates[mode].append(asyncio.run(measured(process, environment, flat_out)).rate)
                paced = dataclasses.replace(Plan.paced(STREAMS, PACED_RATE, PACED_SECONDS), mode=mode)
                delays[mode] += asyncio.run(measured(process, environment, paced)).delays()
    rate = {mode: statistics.median(found) for mode, found in rates.items()}
    report("stream.events_per_second", "1/s", rate["persisted"], rate["bare"], streams=STREAMS, rounds=rates)
    report_delays("stream.commit_to_client", report, delays["persisted"], delays["bare"], PACED_RATE)
    with web(folder, environment) as process:
        seen = asyncio.run(measured(process, environment, Plan.paced(STREAMS, SUSTAINED_RATE, SUSTAINED_SECONDS)))
    name = "stream.sustained_events_per_second"
    report(name, "1/s", seen.rate, seconds=SUSTAINED_SECONDS, offered=SUSTAINED_RATE)
    report_delays("stream.sustained_commit_to_client", report, seen.delays(), None, SUSTAINED_RATE)


def report_delays(name: str, report: Report, ours: list[float], bare: list[float] | None, rate: int) -> None:
    """Report the middle and the tail of delays."""
    for title, share in (("p50", 0.5), ("p99", 0.99)):
        baseline = quantile(bare, share) if bare else None
        report(f"{name}_{title}", "ms", quantile(ours, share), baseline, streams=STREAMS, at=f"{rate} events/s")
