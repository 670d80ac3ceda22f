"""Seconds from `kill -9` of the worker that holds an execution to that execution's next event, at the defaults."""

from __future__ import annotations

import random
import statistics
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from tests.answering import Answering, answering
from tests.benchmarks.reporting import Report
from tests.installation import Installation, installation, kill
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

ROUNDS = 5
LEASE_SECONDS, HEARTBEAT_SECONDS = 10, 2


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    chance = random.Random(3)
    with answering() as server, installation(folder / "recovery") as platform:
        workflow = platform.create_workflow(definition(server.url))
        # The kill falls anywhere between two heartbeats.
        seconds = [measure(platform, server, workflow, chance.uniform(0, HEARTBEAT_SECONDS)) for _ in range(ROUNDS)]
    context = {"rounds": ROUNDS, "all": [round(s, 2) for s in seconds], "lease_seconds": LEASE_SECONDS}
    report("recovery.next_event_median", "s", statistics.median(seconds), **context)
    report("recovery.next_event_max", "s", max(seconds), **context)


def definition(url: str) -> dict[str, Any]:
    ask = node("ask", "http_request", method="POST", url=url + "{{ $json.path }}", timeout_seconds=120)
    return {
        "name": "Asks a slow server",
        "nodes": [node("start", "manual_trigger"), ask],
        "edges": [edge("start", "ask")],
    }


def measure(platform: Installation, server: Answering, workflow: str, pause: float) -> float:
    """Kill the holder of an execution. Returns the seconds until the execution's next event."""
    before = len(server.asked)
    path = f"round{before}"
    body = {"input": [{"path": path}]}
    execution = platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json()["id"]
    wait_until(lambda: len(server.asked) > before, "The request")
    time.sleep(pause)
    worker = platform.request("GET", f"/api/executions/{execution}/").json()["worker"]
    held = len(events(platform, execution))
    kill(psutil.Process(int(worker.rsplit(":", 1)[1])))
    killed = time.time()
    server.open(path)
    wait_until(lambda: len(events(platform, execution)) > held, "The next event", 120)
    following = events(platform, execution)[held]
    wait_until(lambda: events(platform, execution)[-1]["type"] == "execution.completed", "The end", 60)
    wait_until(lambda: len(platform.processes("worker")) == 2 and platform.ready(), "The new worker", 60)
    return datetime.fromisoformat(following["time"]).timestamp() - killed


def events(platform: Installation, execution: str) -> list[dict[str, Any]]:
    return list(platform.request("GET", f"/api/executions/{execution}/events/?limit=1000").json()["events"])
