"""Priorities where more was let through than the workers have places for."""

from __future__ import annotations

from pathlib import Path

from tests.installation import installation
from tests.workflows import edge, node
from workflow_platform.embedded import wait_until


def test_what_was_let_through_is_not_held_up_for_ever_by_jobs_of_a_higher_priority(tmp_path: Path) -> None:
    settings = {"PERF_MIN_WORKERS": "1", "PERF_MAX_WORKERS": "1", "WORKER_CONCURRENCY": "1"}
    with installation(tmp_path / "data", **settings) as site:
        workflow = site.create_workflow(
            {
                "name": "Quick",
                "nodes": [node("start", "manual_trigger"), node("end", "no_op")],
                "edges": [edge("start", "end")],
            }
        )

        def execute_as(priority: str) -> str:
            path = f"/api/workflows/{workflow}/execute/"
            return str(site.request("POST", path, json={"priority": priority}).json()["id"])

        (worker,) = site.processes("worker")
        worker.suspend()
        execute_as("high")  # handed to the worker as it waits
        low = execute_as("low")
        high = [execute_as("high") for _ in range(40)]
        worker.resume()
        wait_until(lambda: site.request("GET", f"/api/executions/{high[-1]}/").json()["status"] == "completed", "All")
        started = site.query("SELECT id::text FROM executions_execution ORDER BY started_at NULLS LAST")
        assert [row[0] for row in started].index(low) < 20
