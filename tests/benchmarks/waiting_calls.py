"""500 executions, each with one HTTP call that is answered after a second, over two workers: how long for all.

Each is started by a request to a webhook trigger that answers at once. From the first of them to the end of the last
execution, by the machine's one clock. The baseline is a bare asyncio
client that makes the same 500 calls at once.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.http_client import Connection
from tests.benchmarks.reporting import Report
from tests.installation import OUTSIDE, Installation, installation
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

CALLS = 500
ANSWER_SECONDS = 1.0
CLIENTS = 50
SETTINGS = {
    "WORKER_CONCURRENCY": "250",
    "PERF_MAX_CONCURRENT_EXECUTIONS": "500",
    "WORKSPACE_MAX_CONCURRENT_EXECUTIONS": "500",
    "PERF_MIN_WORKERS": "2",
    "PERF_MAX_WORKERS": "2",
}


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with slow_server(ANSWER_SECONDS) as url, installation(folder / "waiting", **SETTINGS) as platform:
        asyncio.run(call_all(url, 50))
        began = time.perf_counter()
        asyncio.run(call_all(url, CALLS))
        bare = time.perf_counter() - began
        platform.create_workflow(definition(url))
        execute_all(platform, 20)
        seconds, started = execute_all(platform, CALLS)
        context = {"executions": CALLS, "workers": 2, "accepted_after": round(started, 2)}
        report("waiting_calls.all_ended", "s", seconds, bare, **context)


def definition(url: str) -> dict[str, Any]:
    ask = node("ask", "http_request", method="POST", url=url, body={"n": 1}, timeout_seconds=120)
    return {
        "name": "Asks and waits",
        "active": True,
        "nodes": [node("start", "webhook_trigger", path="asks"), ask],
        "edges": [edge("start", "ask")],
    }


def execute_all(platform: Installation, count: int) -> tuple[float, float]:
    """Start so many executions. Returns the seconds until the last has ended, and until the last was accepted."""
    began = time.time()
    executions = asyncio.run(_execute(platform, count))
    accepted = time.time() - began
    ended = (
        "SELECT count(*), max(ended_at) FROM executions_execution WHERE id = ANY(%s::uuid[]) AND status = 'completed'"
    )
    wait_until(lambda: platform.query(ended, executions)[0][0] == count, "The end of all executions", 240)
    return platform.query(ended, executions)[0][1].timestamp() - began, accepted


async def _execute(platform: Installation, count: int) -> list[str]:
    numbers: Iterator[int] = iter(range(count))
    executions: list[str] = []

    async def client() -> None:
        async with Connection(platform.url) as connection:
            for _ in numbers:
                status, content = await connection.post("/hooks/asks", b"{}")
                assert status == 202, content
                executions.append(json.loads(content)["execution_id"])

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return executions


async def call_all(url: str, count: int) -> None:
    async def call() -> None:
        async with Connection(url) as connection:
            status, _ = await connection.post("/", b'{"n": 1}')
            assert status == 200

    await asyncio.gather(*(call() for _ in range(count)))


@contextmanager
def slow_server(seconds: float) -> Iterator[str]:
    """Run a server that answers after so long; yields its address."""
    command = [sys.executable, "-m", "tests.benchmarks.slow_server", OUTSIDE, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://{OUTSIDE}:{process.stdout.readline().strip()}/"
        finally:
            process.terminate()
