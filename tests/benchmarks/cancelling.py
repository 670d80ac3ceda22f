"""Seconds from the request to cancel until the execution has ended, whatever it is at; and who waits behind code.

The cancellations are asked for by HTTP, and their end is read from there, every few milliseconds. Then short executions
on the only worker, one after the other, while code computes on it without an end; the baseline is the same without it.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.answering import answering
from tests.benchmarks.reporting import Report
from tests.executing import execute, node_statuses, save, until
from tests.installation import Installation, installation
from tests.workflows import BUSY, busy_graph, edge, node
from workflow_platform.installation.embedded import wait_until

ROUNDS, SHORT = 10, 40
ONE_WORKER = {"PERF_MIN_WORKERS": "1", "PERF_MAX_WORKERS": "1"}


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with answering() as server, installation(folder / "cancelling", **ONE_WORKER) as platform:
        for how in BUSY:
            workflow = save(platform, *busy_graph(how, server.url))
            seconds = [cancel(platform, begin(platform, workflow)) for _ in range(ROUNDS)]
            context = {"rounds": ROUNDS, "max": round(max(seconds), 3)}
            report(f"cancelling.{how.replace(' ', '_')}", "s", statistics.median(seconds), **context)
        short = save(
            platform, [node("start", "manual_trigger"), node("code", "code", code="return []")], [edge("start", "code")]
        )
        alone = short_executions(platform, short)
        computing = begin(platform, save(platform, *busy_graph("a code node", server.url)))
        beside = short_executions(platform, short)
        cancel(platform, computing)
        report("cancelling.short_beside_code", "s", beside, alone, executions=SHORT)


def begin(platform: Installation, workflow: str) -> str:
    """Start the workflow and wait until it is at its busy node. Returns the execution's id."""
    execution = execute(platform, workflow, {})
    wait_until(lambda: node_statuses(platform, execution).get("busy") in {"running", "waiting"}, "The node")
    return execution


def cancel(platform: Installation, execution: str) -> float:
    """Cancel the execution. Returns the seconds until it was seen to have ended."""
    began = time.perf_counter()
    platform.request("POST", f"/api/executions/{execution}/cancel/", json={})
    assert until(platform, execution)["status"] == "cancelled"
    return time.perf_counter() - began


def short_executions(platform: Installation, workflow: str) -> float:
    """Run short executions one after the other. Returns their median seconds from request to answer."""
    taken = []
    for _ in range(SHORT):
        began = time.perf_counter()
        answer = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 30}).json()
        taken.append(time.perf_counter() - began)
        assert answer["status"] == "completed", answer
    return statistics.median(taken)
