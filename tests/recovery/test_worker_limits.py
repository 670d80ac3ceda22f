"""A worker above its limit of memory or CPU takes nothing new, tells so, and recovers by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import websockets

from tests.conftest import Platform
from tests.executing import save
from tests.installation import Installation, installation
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

ONE_WORKER = {"PERF_MIN_WORKERS": "1", "PERF_MAX_WORKERS": "1", "PRESSURE_SAMPLE_SECONDS": "0.2"}
BURNS: dict[str, Any] = {
    "name": "Burns CPU",
    "nodes": [
        node("start", "manual_trigger"),
        node("burn", "loop", batch_size=1),
        node("work", "code", code="let n = 0; for (let i = 0; i < 3e6; i++) n += i; return [{ n }]"),
    ],
    "edges": [edge("start", "burn"), edge("burn", "work", "loop"), edge("work", "burn")],
}


def told(site: Platform | Installation, type_: str) -> list[dict[str, Any]]:
    """Return what workers told of themselves; the scheduler tells such events too."""
    wanted = "SELECT data FROM events_event WHERE type = %s AND source = 'executions.worker' ORDER BY sequence"
    return [row[0] for row in site.query(wanted, f"system.{type_}")]


async def seen_on_the_socket(site: Platform, count: int) -> list[dict[str, Any]]:
    """Return the first events of the stream `system`, as staff sees it."""
    async with websockets.connect(site.ws_url, additional_headers={"Authorization": f"Bearer {site.token}"}) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": "system", "after": 0}))
        events: list[dict[str, Any]] = []
        while len(events) < count:
            came = json.loads(await socket.recv()).get("events", [])
            events += [event for event in came if event["source"] == "executions.worker"]
        return events


def test_a_worker_above_its_cpu_limit_takes_no_more_until_it_has_recovered(another: Callable[..., Platform]) -> None:
    site = another(PERF_MAX_CPU_PERCENT="8", PRESSURE_SAMPLE_SECONDS="0.2")
    workflow = save(site, **BURNS)
    body = {"input": [{}] * 60}
    first = site.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json()["id"]

    def status(execution: str) -> str:
        return str(site.request("GET", f"/api/executions/{execution}/").json()["status"])

    wait_until(lambda: bool(told(site, "resource_warning")), "A warning")
    second = site.request("POST", f"/api/workflows/{workflow}/execute/", json={"input": [{}]}).json()["id"]
    warning = told(site, "resource_warning")[0]
    assert "CPU is at" in warning["message"]
    assert warning["figures"]["cpu_percent"] > warning["figures"]["cpu_limit_percent"] == 8
    wait_until(lambda: status(first) == "completed", "The end of what had begun", 120)
    wait_until(lambda: status(second) == "completed", "The end of what had to wait", 120)
    assert "takes new work" in told(site, "health_check")[0]["message"]
    began = site.query("SELECT started_at FROM executions_execution WHERE id = %s", second)[0][0]
    recovered = site.query(
        "SELECT time FROM events_event WHERE type = 'system.health_check' AND source = 'executions.worker'"
        " ORDER BY sequence"
    )
    assert began >= recovered[0][0]
    events = asyncio.run(asyncio.wait_for(seen_on_the_socket(site, 2), 240))
    assert [event["type"] for event in events[:2]] == ["system.resource_warning", "system.health_check"]


def test_a_worker_whose_memory_stays_above_its_limit_while_idle_restarts(folder: Path) -> None:
    with installation(folder / "data", **ONE_WORKER, PERF_MAX_MEMORY_MB="20") as site:
        (before,) = site.processes("worker")
        wait_until(lambda: not before.is_running(), "The end of the worker")
        wait_until(lambda: len(site.processes("worker")) == 1, "Another worker")
        messages = [warning["message"] for warning in told(site, "resource_warning")]
        assert messages[0].startswith("memory is at")
        assert messages[1].endswith("while nothing runs: the worker restarts.")
        log = (folder / "data" / "logs" / "supervisord.log").read_text()
        assert "exited: worker (exit status 0; expected)" in log
