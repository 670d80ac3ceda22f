"""`make up` has as many workers as the load needs, between PERF_MIN_WORKERS and PERF_MAX_WORKERS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.answering import answering
from tests.installation import Installation, installation
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


def asks(url: str) -> dict[str, Any]:
    return {
        "name": "Asks a slow server",
        "nodes": [
            node("start", "manual_trigger"),
            node("ask", "http_request", method="POST", url=url, body={}, timeout_seconds=120),
        ],
        "edges": [edge("start", "ask")],
    }


def told(site: Installation) -> list[str]:
    """Return what the stream `system` says of the number of workers."""
    wanted = "SELECT data->>'message' FROM events_event WHERE type = 'system.queue_status'"
    rows = site.query(f"{wanted} AND source = 'executions.scaling' ORDER BY sequence")
    return [row[0] for row in rows]


def test_workers_are_started_while_executions_wait_and_stopped_when_there_is_room(folder: Path) -> None:
    settings = {
        "PERF_MIN_WORKERS": "1",
        "PERF_MAX_WORKERS": "2",
        "WORKER_CONCURRENCY": "2",
        "WORKER_IDLE_SECONDS": "1",
    }
    with answering() as server, installation(folder / "data", **settings) as site:
        assert len(site.processes("worker")) == 1
        (fixed,) = site.processes("worker")
        workflow = site.create_workflow(asks(server.url))
        for _ in range(8):
            assert site.request("POST", f"/api/workflows/{workflow}/execute/", json={}).status_code == 202
        wait_until(lambda: len(server.asked) == 4, "The requests of two workers, two of each")
        assert len(site.processes("worker")) == 2
        assert "executions wait for a slot" in told(site)[0]
        waiting = next(
            row for row in site.request("GET", "/api/executions/").json()["results"] if row["status"] == "queued"
        )
        queue = site.request("GET", f"/api/executions/{waiting['id']}/").json()["queue"]
        assert (queue["reason"], queue["limit"], queue["in_use"]) == ("workers_busy", 4, 4)
        server.open()

        def completed() -> bool:
            rows = site.request("GET", f"/api/executions/?workflow={workflow}").json()["results"]
            return [row["status"] for row in rows] == ["completed"] * 8

        wait_until(completed, "The end of all executions")
        wait_until(lambda: len(site.processes("worker")) == 1, "The stop of the worker too many")
        assert [process.pid for process in site.processes("worker")] == [fixed.pid]
        assert len(told(site)) == 2
        assert told(site)[1].startswith("Stopping worker-spare")
        assert len(server.asked) == 8, "what was stopped had come to its end"
