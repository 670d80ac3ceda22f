"""Executions per second with a million finished executions in the database, beside an installation that is empty.

The million are copies of one execution of W1 that ran: stream, execution, node runs and all 14 events, spread over the
last 30 days. The two installations take turns, so that a noisy machine disturbs both. GROWTH_EXECUTIONS says how many.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from tests.benchmarks.copies import fill, settle
from tests.benchmarks.executions import CLIENTS, WARM_UP_SECONDS, install, three_nodes
from tests.benchmarks.http_client import load
from tests.benchmarks.reporting import Report
from tests.installation import installation

ROUNDS = 3
SECONDS = 12.0


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    wanted = int(os.environ.get("GROWTH_EXECUTIONS", "1000000"))
    with installation(folder / "empty") as empty, installation(folder / "grown") as grown:
        installed = {platform.url: install(platform, "W1", three_nodes) for platform in (empty, grown)}
        began = time.monotonic()
        context = fill(grown, installed[grown.url][0], wanted)
        settle(empty)
        context |= {"executions": wanted, "filled_in_seconds": round(time.monotonic() - began)}
        rates: dict[str, list[float]] = {empty.url: [], grown.url: []}
        for seconds in (WARM_UP_SECONDS, *[SECONDS] * ROUNDS):
            for url, (path, check) in installed.items():
                done = load(url, path, clients=CLIENTS, seconds=seconds, check=check, body=b'{"n": 7}')
                if seconds == SECONDS:
                    rates[url].append(done.rate)
        context["rates"], context["empty_rates"] = ([round(r, 1) for r in rates[p.url]] for p in (grown, empty))
        value, baseline = (statistics.median(rates[platform.url]) for platform in (grown, empty))
        report("growth.W1.rate", "1/s", value, baseline, clients=CLIENTS, rounds=ROUNDS, **context)
