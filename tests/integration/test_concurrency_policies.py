"""What happens to one execution too many: it waits, replaces the oldest, or is left out."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from executions.models import Execution, Workflow
from tests.admitting import admitted, start, workflow_in
from tests.engine import COMMITS

pytestmark = pytest.mark.django_db


def statuses(workflow: Workflow) -> dict[str, int]:
    return dict(Counter(Execution.objects.filter(workflow=workflow).values_list("status", flat=True)))


def from_threads(workflow: Workflow, count: int, each: int = 1, **further: Any) -> None:
    def create(_: int) -> None:
        try:
            start(workflow, each, **further)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(count)))


def test_with_queue_the_one_too_many_waits() -> None:
    workflow = workflow_in(concurrency={"limit": 1, "policy": "queue"})
    start(workflow, 3)
    assert statuses(workflow) == {"queued": 3}
    assert len(admitted()) == 1


def test_with_skip_the_one_too_many_is_left_out_and_says_why() -> None:
    workflow = workflow_in(concurrency={"limit": 2, "policy": "skip"})
    start(workflow, 1)
    (_, third, fourth) = start(workflow, 3)  # in one transaction: they count against each other
    assert statuses(workflow) == {"queued": 2, "cancelled": 2}
    for row in (third, fourth):
        row.refresh_from_db()
        assert row.status == "cancelled"
        last = row.stream.events.last()
        assert last.type == "execution.cancelled"
        assert "2 executions of this workflow are running" in last.data["reason"]


def test_with_cancel_running_the_newest_stays() -> None:
    workflow = workflow_in(concurrency={"limit": 1, "policy": "cancel_running"})
    start(workflow)
    (*replaced, newest) = start(workflow, 3)
    assert statuses(workflow) == {"queued": 1, "cancelled": 3}
    newest.refresh_from_db()
    assert newest.status == "queued"
    assert "A newer execution" in replaced[0].stream.events.last().data["reason"]


def test_policies_count_for_each_key_where_there_is_one() -> None:
    workflow = workflow_in(concurrency={"limit": 1, "policy": "skip", "key": "{{ $json.k }}"})
    for key in ("a", "a", "b", "", ""):
        start(workflow, input={"k": key})
    assert statuses(workflow) == {"queued": 3, "cancelled": 2}


@COMMITS
@pytest.mark.parametrize("policy", ["skip", "cancel_running"])
def test_policies_hold_for_executions_created_at_the_same_instant(policy: str) -> None:
    workflow = workflow_in(concurrency={"limit": 3, "policy": policy})
    from_threads(workflow, 16, each=2)
    assert statuses(workflow) == {"queued": 3, "cancelled": 29}
    assert len(admitted()) == 3


@COMMITS
def test_with_queue_executions_created_at_the_same_instant_all_wait() -> None:
    workflow = workflow_in(concurrency={"limit": 3})
    from_threads(workflow, 16)
    assert statuses(workflow) == {"queued": 16}
    assert len(admitted()) == 3
