"""Schedulers that are killed while they fire."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.conftest import ROOT, Platform
from tests.workflows import node
from workflow_platform.installation.embedded import wait_until

WORKFLOWS, KILLS = 10, 4


def planned(platform: Platform, workflow: str) -> list[datetime]:
    """Return the planned times of the workflow's executions, in the order in which they were created."""
    rows: list[dict[str, Any]] = []
    url: str | None = f"/api/executions/?workflow={workflow}&status=completed"
    while url:
        page = platform.request("GET", url).json()
        rows += page["results"]
        url = page["next"] and page["next"].removeprefix(platform.url)
    paths = [f"/api/executions/{row['id']}/nodes/tick/output/" for row in reversed(rows)]
    items = [platform.request("GET", path).json()["outputs"]["main"][0] for path in paths]
    return [datetime.fromisoformat(item["scheduled_at"]) for item in items]


def fired(platform: Platform, workflow: str) -> int:
    schedule = platform.request("GET", f"/api/workflows/{workflow}/schedules/").json()[0]
    return int(datetime.fromisoformat(schedule["last_at"]).timestamp()) if schedule["last_at"] else 0


def test_killed_schedulers_lose_no_run_and_fire_none_twice(platform: Platform) -> None:
    definition = {
        "name": "Each second",
        "active": True,
        "nodes": [node("tick", "schedule_trigger", interval_seconds=1, missed="run_all")],
        "edges": [],
    }
    workflows = [
        str(platform.request("POST", "/api/workflows/", json=definition).json()["id"]) for _ in range(WORKFLOWS)
    ]
    command = [sys.executable, "manage.py", "run_scheduler"]
    for _ in range(KILLS):
        scheduler = subprocess.Popen(command, cwd=ROOT, env=platform.environment)
        try:
            before = fired(platform, workflows[0])
            wait_until(lambda: fired(platform, workflows[0]) > before + 1, "Some firings")  # noqa: B023
        finally:
            scheduler.send_signal(signal.SIGKILL)
            scheduler.wait()
    for workflow in workflows:
        platform.request("POST", f"/api/workflows/{workflow}/deactivate/")

    def unended() -> bool:
        rows = (platform.request("GET", f"/api/executions/?workflow={w}").json()["results"] for w in workflows)
        return any(row["status"] != "completed" for page in rows for row in page)

    wait_until(lambda: not unended(), "The end of all executions")
    for workflow in workflows:
        times = planned(platform, workflow)
        assert len(times) > KILLS
        assert all(later - earlier == timedelta(seconds=1) for earlier, later in pairwise(times))
