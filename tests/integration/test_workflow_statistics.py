"""What a workflow's executions and nodes usually take is counted over its live executions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from executions.models import Execution, Mode, NodeRun
from tests.integration.test_execution_listing import ended, saved
from tests.integration.test_history import workspace
from tests.integration.test_history_api import client

pytestmark = pytest.mark.django_db


def run_of(execution: Execution, seconds: float, status: str = "completed", **fields: Any) -> None:
    now = timezone.now()
    times = {"started_at": now - timedelta(seconds=seconds), "ended_at": now}
    NodeRun.objects.create(
        execution=execution, node_id="start", name="Start", node_type="manual_trigger", status=status, **times, **fields
    )


def test_statistics_count_live_executions_and_show_what_takes_longer_now() -> None:
    workflow = saved(workspace("one"), "Measured")
    for _ in range(20):
        run_of(ended(workflow, 1), 1)
    run_of(ended(workflow, 1, status="failed"), 1, status="failed")
    run_of(ended(workflow, 1), 0, from_cache=True)
    for _ in range(10):
        run_of(ended(workflow, 4), 3)
    ended(workflow, 500, mode=Mode.TEST)
    ended(workflow, 500, queued_at=timezone.now() - timedelta(days=8))

    its = client("one").get(f"/api/workflows/{workflow.pk}/statistics/").json()
    assert (its["executions"], its["statuses"], its["more"]) == (32, {"completed": 31, "failed": 1}, False)
    assert its["spread"] == {"p50_ms": 1000.0, "p95_ms": 4000.0, "now_ms": 4000.0}
    assert [day["executions"] for day in its["days"]] == [0, 0, 0, 0, 0, 0, 32]
    (node,) = its["nodes"]
    assert (node["name"], node["runs"], node["failed"], node["cache_hits"]) == ("start", 32, 1, 1)
    assert node["spread"] == {"p50_ms": 1000.0, "p95_ms": 3000.0, "now_ms": 3000.0}
    assert node["trend"] == [None] * 6 + [1000.0]


def test_statistics_are_those_of_the_callers_workspaces_and_of_at_most_thirty_days() -> None:
    workflow = saved(workspace("one"), "Measured")
    path = f"/api/workflows/{workflow.pk}/statistics/"
    assert client("two").get(path).status_code == 404
    empty = client("one").get(f"{path}?days=1").json()
    assert (empty["executions"], empty["nodes"], len(empty["days"])) == (0, [], 1)
    refused = client("one").get(f"{path}?days=31")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "days")
