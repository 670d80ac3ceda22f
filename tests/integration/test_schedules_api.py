"""Schedules seen from outside: the API, and a real scheduler that runs an interval."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import Platform
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until
from workflow_platform.installation.supervision import processes


def create(platform: Platform, active: bool = True, **parameters: Any) -> str:
    definition = {
        "name": "Scheduled",
        "active": active,
        "nodes": [
            node("tick", "schedule_trigger", **parameters),
            node("note", "set", fields={"seen": "{{ $json.scheduled_at }}"}),
        ],
        "edges": [edge("tick", "note")],
    }
    created = platform.request("POST", "/api/workflows/", json=definition)
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


def schedule_of(platform: Platform, workflow: str) -> dict[str, Any]:
    (found,) = platform.request("GET", f"/api/workflows/{workflow}/schedules/").json()
    return dict(found)


def executions(platform: Platform, workflow: str, status: str = "") -> list[dict[str, Any]]:
    query = f"?workflow={workflow}&trigger=schedule" + (f"&status={status}" if status else "")
    return list(platform.request("GET", f"/api/executions/{query}").json()["results"])


def test_an_interval_of_a_second_runs_until_the_workflow_is_deactivated(platform: Platform) -> None:
    platform.start(next(p for p in processes("127.0.0.1", 0, workers=1) if p.name == "scheduler"))  # a second one
    workflow = create(platform, interval_seconds=1)
    wait_until(lambda: len(executions(platform, workflow, "completed")) >= 5, "Five scheduled executions")
    platform.request("POST", f"/api/workflows/{workflow}/deactivate/")
    fired = executions(platform, workflow)
    assert {execution["trigger"] for execution in fired} == {"schedule"}
    outputs = [
        platform.request("GET", f"/api/executions/{execution['id']}/nodes/note/output/").json()["outputs"]["main"][0]
        for execution in executions(platform, workflow, "completed")
    ]
    planned = [datetime.fromisoformat(item["scheduled_at"]) for item in outputs]
    assert len(set(planned)) == len(planned)
    assert all(item["seen"] == item["scheduled_at"] for item in outputs)
    assert {at.microsecond for at in planned} == {0}
    # Another workflow's schedule runs meanwhile: had this one any time left, it would have fired too.
    other = create(platform, interval_seconds=1)
    wait_until(lambda: len(executions(platform, other)) >= 3, "Three executions of the other workflow")
    platform.request("DELETE", f"/api/workflows/{other}/")
    assert len(executions(platform, workflow)) == len(fired)


def test_a_workflow_tells_its_next_five_times(platform: Platform) -> None:
    workflow = create(platform, cron="0 9 * * MON-FRI", timezone="Europe/Berlin", missed="run_once")
    schedule = schedule_of(platform, workflow)
    assert (schedule["words"], schedule["missed"]) == ("At 09:00 on Monday through Friday", "run_once")
    times = [datetime.fromisoformat(text) for text in schedule["next"]]
    assert len(times) == 5
    assert times == sorted(set(times))
    assert times[0] > datetime.now(UTC)
    assert (schedule["last_at"], schedule["last_execution"], schedule["last_error"]) == (None, None, "")
    platform.request("POST", f"/api/workflows/{workflow}/deactivate/")
    assert schedule_of(platform, workflow)["next"] == []


def test_a_preview_is_what_a_schedule_would_do(platform: Platform) -> None:
    body = {"cron": "30 4 * * *", "timezone": "America/New_York"}
    answer = platform.request("POST", "/api/schedules/preview/", json=body).json()
    assert answer["words"] == "At 04:30 every day"
    assert len(answer["next"]) == 5
    every = platform.request("POST", "/api/schedules/preview/", json={"interval_seconds": 90}).json()
    assert every["words"] == "Every 1 minute 30 seconds"
    first, second = (datetime.fromisoformat(text) for text in every["next"][:2])
    assert (second - first).total_seconds() == 90


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cron": "* * *"}, "cron"),
        ({"cron": "* * * * *", "timezone": "Nowhere"}, "timezone"),
        ({}, "interval_seconds"),
        ({"interval_seconds": 0.2}, "interval_seconds"),
        ({"cron": "* * * * *", "colour": "red"}, "colour"),
        ([], ""),
    ],
)
def test_a_preview_of_what_is_no_schedule_names_the_field(platform: Platform, body: object, field: str) -> None:
    answer = platform.request("POST", "/api/schedules/preview/", json=body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    (problem,) = answer.json()["errors"]
    assert problem["field"] == field
    assert problem["message"] in answer.json()["detail"]
