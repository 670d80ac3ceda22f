"""Priorities where more was let through than the workers have places for."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import Platform
from tests.executing import save, until
from tests.freezing import frozen_workers
from tests.workflows import edge, node


def test_what_was_let_through_is_not_held_up_for_ever_by_jobs_of_a_higher_priority(
    another: Callable[..., Platform],
) -> None:
    site = another(WORKER_CONCURRENCY="1")
    workflow = save(site, [node("start", "manual_trigger"), node("end", "no_op")], [edge("start", "end")])

    def execute_as(priority: str) -> str:
        path = f"/api/workflows/{workflow}/execute/"
        return str(site.request("POST", path, json={"priority": priority}).json()["id"])

    with frozen_workers(site):
        execute_as("high")  # handed to the worker as it waits
        low = execute_as("low")
        high = [execute_as("high") for _ in range(40)]
    assert until(site, high[-1])["status"] == "completed"
    started = site.query("SELECT id::text FROM executions_execution ORDER BY started_at NULLS LAST")
    assert [row[0] for row in started].index(low) < 20
