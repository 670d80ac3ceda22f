"""Code that computes for long, in a worker that has other things to do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import psutil

from tests.conftest import Platform
from tests.recovery.test_workers import holder
from tests.watching import watch
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

COMPUTE = "let n = 0; for (let i = 0; i < 3e7; i++) n += i; return [{ done: true }]"
ENDLESS = "console.log('in'); for (;;) {}"


def save(platform: Platform, code: str) -> str:
    definition = {
        "name": "Computes",
        "nodes": [node("start", "manual_trigger"), node("compute", "code", code=code, time_limit_seconds=60)],
        "edges": [edge("start", "compute")],
    }
    return str(platform.request("POST", "/api/workflows/", json=definition).json()["id"])


def start(platform: Platform, workflow: str, **body: Any) -> dict[str, Any]:
    return dict(platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json())


def computing(worker: int) -> psutil.Process:
    """Wait until a sandbox process of the worker has computed for longer than a start takes, and return it."""
    seen: dict[psutil.Process, float] = {}
    found: list[psutil.Process] = []

    def computes() -> bool:
        for child in psutil.Process(worker).children():
            with suppress(psutil.NoSuchProcess):
                used = child.cpu_times().user
                if used - seen.setdefault(child, used) > 1:
                    found.append(child)
        return bool(found)

    wait_until(computes, "The computing")
    return found[0]


def events_of(platform: Platform, execution: dict[str, Any]) -> list[dict[str, Any]]:
    return asyncio.run(asyncio.wait_for(watch(platform.ws_url, platform.token, execution["stream"]), 240))


def test_while_code_computes_its_worker_runs_others(platform: Platform) -> None:
    short = save(platform, "return [{ n: 1 }]")
    execution = start(platform, save(platform, ENDLESS))
    wait_until(lambda: platform.request("GET", f"/api/executions/{execution['id']}/").json()["worker"], "A worker")
    worker = holder(platform, execution)
    computing(worker)
    ran = 0
    while ran < 8:
        other = start(platform, short, wait=60)
        assert other["status"] == "completed"
        ran += holder(platform, other) == worker
    assert platform.request("GET", f"/api/executions/{execution['id']}/").json()["status"] == "running"

    platform.request("POST", f"/api/executions/{execution['id']}/cancel/", json={})
    events = events_of(platform, execution)
    assert events[-1]["type"] == "execution.cancelled"
    assert "execution.recovered" not in {event["type"] for event in events}  # its lease was renewed all the time


def test_the_cost_of_code_is_in_its_events_and_is_not_that_of_the_thread_that_waits(platform: Platform) -> None:
    events = events_of(platform, start(platform, save(platform, COMPUTE)))
    assert events[-1]["type"] == "execution.completed"
    (cost,) = (e["data"] for e in events if e["type"] == "execution.node_completed" and e["data"]["node"] == "compute")
    assert cost["cpu_ms"] > 10


def test_code_that_computes_is_cancelled_long_before_its_limit(platform: Platform) -> None:
    execution = start(platform, save(platform, ENDLESS))
    wait_until(lambda: platform.request("GET", f"/api/executions/{execution['id']}/").json()["worker"], "A worker")
    worker = holder(platform, execution)
    process = computing(worker)
    platform.request("POST", f"/api/executions/{execution['id']}/cancel/", json={"reason": "Enough."})
    assert events_of(platform, execution)[-1]["type"] == "execution.cancelled"
    wait_until(lambda: not process.is_running(), "The end of the loop")


def test_what_code_logs_is_in_the_history_of_its_execution(platform: Platform) -> None:
    execution = start(platform, save(platform, "console.log('seen', { n: 1 }); return []"))
    logged = [event["data"] for event in events_of(platform, execution) if event["type"] == "execution.log"]
    assert [(entry["level"], entry["message"]) for entry in logged] == [("info", 'seen {"n":1}')]
