"""10,000 executions that wait for an hour: what they cost meanwhile, and how soon one of them goes on.

The memory (resident, all processes of a kind together) is compared with that after the first 1,000, so that what the
processes load and keep anyway is not counted. While they wait, the CPU time of all processes over some idle seconds,
and the time of a sweep, which looks for what is due four times a second. Then some are called, one after the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from tests.benchmarks.http_client import Connection
from tests.benchmarks.reporting import Report
from tests.installation import ROOT, Installation, installation
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

FIRST, ALL = 1_000, 10_000
CLIENTS = 10
IDLE_SECONDS = 20.0
CALLED = 20
KINDS = ("web", "worker", "scheduler")
SWEEPS = """
import time
from executions.workers import recovery
recovery.sweep()
times = []
for _ in range(20):
    began = time.perf_counter(); recovery.sweep(); times.append(time.perf_counter() - began)
print("seconds", sorted(times)[10])
"""


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with installation(folder / "waiting") as platform:
        workflow = platform.create_workflow(definition())
        idle = idle_cpu(platform)
        executions = wait_all(platform, workflow, FIRST)
        before = memory(platform)
        executions += wait_all(platform, workflow, ALL - FIRST)
        after = memory(platform)
        for kind in KINDS:
            report(
                f"waiting.memory.{kind}", "MiB", after[kind], before[kind], executions=ALL, baseline_executions=FIRST
            )
        report("waiting.idle_cpu", "CPU s/s", idle_cpu(platform), idle, executions=ALL)
        report("waiting.sweep", "ms", sweep_ms(platform), executions=ALL)
        took = [call_one(platform, execution) for execution in executions[:: ALL // CALLED]]
        report("waiting.resumed", "s", statistics.median(took), executions=ALL, slowest=round(max(took), 3))


def definition() -> dict[str, Any]:
    nodes = [
        node("start", "manual_trigger"),
        node("url", "set", fields={"url": "{{ $execution.resumeUrl }}"}),
        node("pause", "wait", webhook=True, timeout_seconds=3600),
        node("after", "no_op"),
    ]
    edges = [edge("start", "url"), edge("url", "pause"), edge("pause", "after")]
    return {"name": "Waits for an hour", "nodes": nodes, "edges": edges}


def wait_all(platform: Installation, workflow: str, count: int) -> list[str]:
    """Start so many executions and wait until they all wait. Returns their ids."""
    executions = asyncio.run(start_all(platform, workflow, count))
    waiting = "SELECT count(*) FROM executions_execution WHERE id = ANY(%s::uuid[]) AND status = 'waiting'"
    wait_until(lambda: platform.query(waiting, executions)[0][0] == count, "All executions waiting", 480)
    return executions


async def start_all(platform: Installation, workflow: str, count: int) -> list[str]:
    """Start so many executions over the API. Returns their ids."""
    path, headers = f"/api/workflows/{workflow}/execute/", [f"Authorization: Bearer {platform.token}"]
    numbers = iter(range(count))
    executions: list[str] = []

    async def client() -> None:
        async with Connection(platform.url) as connection:
            for _ in numbers:
                status, content = await connection.post(path, b"{}", headers)
                assert status == 202, content
                executions.append(json.loads(content)["id"])

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return executions


def memory(platform: Installation) -> dict[str, float]:
    """Return the resident memory of each kind of process, in MiB."""
    return {kind: sum(process.memory_info().rss for process in platform.processes(kind)) / 2**20 for kind in KINDS}


def idle_cpu(platform: Installation) -> float:
    """Return how many CPU seconds a second all processes use while nobody asks for anything."""
    before, began = sum(platform.cpu_seconds().values()), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    return (sum(platform.cpu_seconds().values()) - before) / (time.perf_counter() - began)


def sweep_ms(platform: Installation) -> float:
    """Return the median time of a sweep, in milliseconds."""
    command = [sys.executable, "manage.py", "shell", "-c", SWEEPS]
    environment = os.environ | platform.environment
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return float(said.split("seconds ")[1].split()[0]) * 1000


def call_one(platform: Installation, execution: str) -> float:
    """Call the execution's URL. Returns the seconds from the call to its end."""
    items = platform.request("GET", f"/api/executions/{execution}/nodes/url/output/").json()["outputs"]["main"]
    ended = "SELECT ended_at FROM executions_execution WHERE id = %s::uuid AND status = 'completed'"
    began = time.time()
    assert requests.post(items[0]["url"], json={}, timeout=30).status_code == 202
    wait_until(lambda: bool(platform.query(ended, execution)), "The end of the execution", 30)
    return float(platform.query(ended, execution)[0][0].timestamp() - began)
