"""Limits and fairness of the line, seen in the database: no worker takes part."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from executions.admission import admission
from executions.lifecycle import request_pause, request_resume
from executions.lifecycle.creation import HEAD_START
from executions.models import Execution
from tests.admitting import admitted, end, start, workflow_in
from tests.engine import COMMITS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limits(settings: Any) -> Any:
    settings.PERF_MAX_CONCURRENT_EXECUTIONS = 10
    settings.WORKSPACE_MAX_CONCURRENT_EXECUTIONS = 10
    return settings


def test_no_more_are_admitted_than_the_cluster_may_run() -> None:
    start(workflow_in(), 25)
    assert len(admitted()) == 10
    end(admitted()[:3])
    assert admission.admit() == 3
    assert len(admitted()) == 10
    assert admission.admit() == 0


def test_a_workspace_has_no_more_than_its_share(limits: Any) -> None:
    limits.WORKSPACE_MAX_CONCURRENT_EXECUTIONS = 8
    flood, other = workflow_in("flood"), workflow_in("other")
    start(flood, 25)
    assert len(admitted()) == 8
    start(other, 5)
    assert [len(admitted(workflow=w)) for w in (flood, other)] == [8, 2]


def test_the_share_of_a_workspace_is_its_own_where_it_is_set() -> None:
    workflow = workflow_in()
    workflow.workspace.max_concurrent = 3
    workflow.workspace.save()
    start(workflow, 25)
    assert len(admitted()) == 3


def test_a_workflow_runs_as_many_at_a_time_as_its_settings_say() -> None:
    narrow, wide = workflow_in(concurrency={"limit": 2}), workflow_in()
    start(narrow, 9)
    start(wide, 3)
    assert [len(admitted(workflow=w)) for w in (narrow, wide)] == [2, 3]


def test_a_key_runs_as_many_at_a_time_as_the_settings_say() -> None:
    workflow = workflow_in(concurrency={"limit": 1, "key": "{{ $json.customer }}"})
    start(workflow, 5, input={"customer": "ada"})
    start(workflow, 2, input={"customer": "bob"})
    assert [row.concurrency_key for row in admitted()] == ["ada", "bob"]
    end(admitted(concurrency_key="ada"))
    admission.admit()
    assert sorted(row.concurrency_key for row in admitted()) == ["ada", "bob"]


def test_a_key_that_is_full_does_not_hold_up_those_behind_it(limits: Any) -> None:
    workflow = workflow_in(concurrency={"limit": 1, "key": "{{ $json.customer }}"})
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 1
    start(workflow_in("before"), 1)  # nobody else is admitted yet
    start(workflow, admission.KEYED_LOOK * 2 + 100, input={"customer": "ada"})
    start(workflow, 3, input={"customer": "bob"})
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 10
    admission.admit()
    assert sorted(row.concurrency_key for row in admitted(workflow=workflow)) == ["ada", "bob"]


def test_a_key_of_any_length_and_kind_is_kept_apart() -> None:
    workflow = workflow_in(concurrency={"limit": 1, "key": "{{ $json.key }}"})
    for key in ["x" * 500 + "1", "x" * 500 + "2", "", None, 7, {"a": 1}]:
        start(workflow, 2, input={"key": key})
    assert len(admitted()) == 6


def test_what_goes_on_after_a_pause_stands_in_line_like_the_rest(limits: Any) -> None:
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 1
    workflow = workflow_in(concurrency={"limit": 1})
    (first,) = start(workflow)
    request_pause(first)
    (second,) = start(workflow)
    request_resume(first)
    assert [row.pk for row in admitted()] == [second.pk]
    end([second])
    admission.admit()
    assert [row.pk for row in admitted()] == [first.pk]


def test_who_has_a_higher_priority_is_admitted_first(limits: Any) -> None:
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 1
    workflow = workflow_in()
    start(workflow)
    made = {priority: start(workflow, priority=priority)[0].pk for priority in ("low", "default", "high")}
    order = []
    for _ in made:
        end(admitted())
        admission.admit()
        order += [row.pk for row in admitted()]
    assert order == [made[priority] for priority in ("high", "default", "low")]


@pytest.mark.parametrize("priority", ["low", "default"])
def test_a_lower_priority_has_its_turn_under_a_constant_load_of_higher_ones(limits: Any, priority: str) -> None:
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 1
    workflow = workflow_in()
    start(workflow, priority="high")
    (patient,) = start(workflow, priority=priority)
    worth = HEAD_START["high"] - HEAD_START[priority]
    step = timedelta(seconds=20)
    for minutes in range(1, 40):  # a high one comes every 20 s, and one ends: time passes by making all older
        for row in Execution.objects.filter(ended_at__isnull=True):
            row.queued_at, row.rank_at = row.queued_at - step, row.rank_at - step
            row.save(update_fields=["queued_at", "rank_at"])
        start(workflow, priority="high")
        end(admitted())
        admission.admit()
        if admitted()[0].pk == patient.pk:
            assert minutes * step <= worth + step * 2
            return
    pytest.fail("it was never admitted")


def test_a_flood_of_one_workspace_does_not_hold_up_the_single_execution_of_another(limits: Any) -> None:
    flood, other = workflow_in("flood"), workflow_in("other")
    start(flood, 5_000)
    (single,) = start(other)
    assert len(admitted()) == 10
    end(admitted()[:1])
    admission.admit()
    assert single.pk in {row.pk for row in admitted()}


def test_workspaces_share_what_there_is_evenly(limits: Any) -> None:
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 0
    workflows = [workflow_in(name) for name in ("one", "two", "three")]
    for workflow, count in zip(workflows, (500, 50, 2), strict=True):
        start(workflow, count)
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 10
    admission.admit()
    assert [len(admitted(workflow=w)) for w in workflows] == [4, 4, 2]


@COMMITS
def test_processes_that_admit_at_the_same_time_overrun_no_limit(limits: Any) -> None:
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 0
    narrow, keyed = workflow_in(concurrency={"limit": 3}), workflow_in(concurrency={"limit": 1, "key": "{{ $json.k }}"})
    limited = workflow_in(rate_limit={"count": 2, "seconds": 600})
    start(narrow, 50)
    for key in range(2):
        start(keyed, 10, input={"k": key})
    start(limited, 20)
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 50

    def admit(number: int) -> int:
        try:
            return admission.admit() if number % 2 else len(start(narrow, 1))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(admit, range(40)))
    assert [len(admitted(workflow=w)) for w in (narrow, keyed, limited)] == [3, 2, 2]


def test_a_job_left_from_before_a_pause_takes_nothing_that_was_not_admitted_again(limits: Any) -> None:
    from executions.lifecycle import claim

    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 1
    workflow = workflow_in()
    (first,) = start(workflow)
    request_pause(first)
    start(workflow)
    request_resume(first)
    assert claim([first.pk], "a worker") == []
    end(admitted())
    admission.admit()
    assert [found.execution.pk for found in claim([first.pk], "a worker")] == [first.pk]


def test_a_line_of_thousands_costs_no_more_than_its_head(limits: Any) -> None:
    limits.PERF_MAX_CONCURRENT_EXECUTIONS = 1
    workflow = workflow_in()
    start(workflow, 3_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE executions_execution")
    for _ in range(20):
        end(admitted())
        before = rows_read()
        assert admission.admit() == 1
        assert rows_read() - before < 300


def rows_read() -> int:
    """Return how many rows of executions this transaction has read so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'executions_execution'"
        )
        return int(cursor.fetchone()[0])
