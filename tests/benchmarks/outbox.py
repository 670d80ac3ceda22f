"""What the outbox adds to an append, commit included, beside the same append without it; in turn.

With no endpoint, with fifty that want something else, with one and with fifty that want everything.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.appenders import own_servers
from tests.benchmarks.reporting import Report

CASES = (
    (0, "*", 400),
    (50, "workflow.deleted", 400),
    (1, "*", 200),
    (50, "*", 20),
)
"""Endpoints, what they want, and how many appends."""
BATCHES = (1, 200)
"""Events of an append."""


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.benchmarks.outbox_appender"]
    with own_servers(folder) as servers:
        environment = servers.database("outbox")
        with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            for events in BATCHES:
                for endpoints, types, appends in CASES:
                    process.stdin.write(f"{endpoints} {types} {events} {appends}\n")
                    process.stdin.flush()
                    times = json.loads(process.stdout.readline())
                    with_it, without = (statistics.median(times[way]) * 1000 for way in ("with", "without"))
                    due = endpoints * events if types == "*" else 0
                    name = f"outbox.append_{events}.{endpoints}_{'listening' if due else 'others'}"
                    report(name, "ms", with_it, without, events=events, deliveries=due, appends=appends)
            process.stdin.close()
