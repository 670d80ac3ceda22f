"""`log.append` of 200 events in a transaction, commit included, beside a bare COPY of the same rows into a table with
the same columns and indexes; batch by batch in turn. Once with a PostgreSQL that waits for the disk, once without."""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.benchmarks.appender_shapes import BATCH, SHAPES
from tests.benchmarks.appenders import appender, own_servers
from tests.benchmarks.reporting import Report

BATCHES, WARM_UP = 300, 30


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with own_servers(folder) as servers, appender(servers.database("appending")) as process:
        for waits in (True, False):
            servers.wait_for_disk(waits)
            for shape in SHAPES:
                process.append(shape, WARM_UP)
                times = process.append(shape, BATCHES)
                ours, bare = (BATCH / statistics.median(times[kind]) for kind in ("ours", "bare"))
                report(f"append.{shape}", "events/s", ours, bare, fsync=waits, batch=BATCH, batches=BATCHES)
