"""However much hangs together, a trace is bounded, says what it leaves out, and has what was asked for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from executions.models import Execution, NodeRun
from executions.traces import trace as traces
from executions.traces.rows import Pages, rows_of
from executions.traces.trace import Focus, trace
from tests.engine import make_execution
from tests.workflows import node
from webhooks.models import Delivery, DeliveryAttempt

pytestmark = pytest.mark.django_db
RUNS, DELIVERIES, ATTEMPTS = traces.MAX_RUNS + 50, traces.MAX_DELIVERIES + 40, 15
PAGES = Pages(*[lambda pk, name=name: f"/{name}/{pk}/" for name in ("x", "w", "i", "d", "p")], events="/events/")  # type: ignore[misc]


@pytest.fixture
def long_one() -> Execution:
    execution = make_execution([node("start", "manual_trigger")], [])
    NodeRun.objects.bulk_create(
        [NodeRun(execution=execution, node_id="loop", name="Loop", node_type="no_op", run_index=i) for i in range(RUNS)]
    )
    made = Delivery.objects.bulk_create([
        Delivery(
            workspace_id=execution.workspace_id, lane_id=execution.pk, execution_id=execution.pk, node_id="loop",
            run_index=RUNS - 1, origin="node", url="https://8.8.8.8/hook?key=secret", attempts_made=ATTEMPTS,
        )
        for _ in range(DELIVERIES)
    ])  # fmt: skip
    DeliveryAttempt.objects.bulk_create([
        DeliveryAttempt(
            workspace_id=execution.workspace_id, delivery=made[-1], number=number, outcome="retry",
            started_at=timezone.now(), url="https://8.8.8.8/hook", status_code=503,
        )
        for number in range(1, ATTEMPTS + 1)
    ])  # fmt: skip
    return execution


def traced(execution: Execution, **further: Any) -> dict[str, Any]:
    with CaptureQueriesContext(connection) as queries:
        found = trace(Focus(execution.workspace_id, execution.pk, **further))
    assert len(queries) == 1
    return found


def test_what_is_left_out_is_counted_and_what_caused_deliveries_comes_first(long_one: Execution) -> None:
    found = traced(long_one)
    assert found["left_out"] == {"executions": 0, "node_runs": 50, "deliveries": 40}
    runs = found["executions"][0]["node_runs"]
    assert len(runs) == traces.MAX_RUNS
    assert runs[-1]["run_index"] == RUNS - 1  # the last of all, shown for its deliveries
    assert len(runs[-1]["deliveries"]) == traces.MAX_DELIVERIES
    assert "secret" not in str(found)


def test_what_it_was_asked_for_by_is_in_it(long_one: Execution) -> None:
    last = Delivery.objects.order_by("id").last()
    assert last is not None
    run = traced(long_one, delivery_id=last.pk)["executions"][0]["node_runs"][-1]
    shown = next(delivery for delivery in run["deliveries"] if delivery["id"] == str(last.pk))
    assert [attempt["number"] for attempt in shown["attempts"]] == list(range(6, 16))
    assert shown["earlier_attempts"] == 5


def test_the_rows_of_a_page_follow_the_cause(long_one: Execution) -> None:
    last = Delivery.objects.order_by("id").last()
    assert last is not None
    rows = rows_of(traced(long_one, delivery_id=last.pk), PAGES, ("delivery", str(last.pk)))
    (marked,) = [row for row in rows if row.focus]
    assert (marked.kind, marked.depth, marked.href) == ("delivery", 2, f"/d/{last.pk}/")
    following = rows[rows.index(marked) + 1]
    assert (following.kind, following.depth, following.href) == ("attempt", 3, f"/d/{last.pk}/#attempt-6")
    assert all(0 <= row.left <= 100 and 0 <= row.width <= 100 for row in rows)


def test_a_family_stays_within_its_workspace_and_its_limit(long_one: Execution) -> None:
    children = [make_execution([node("start", "manual_trigger")], []) for _ in range(3)]
    Execution.objects.filter(pk__in=[child.pk for child in children]).update(parent=long_one)
    stranger = children.pop()
    other = type(stranger.workspace).objects.create(slug="another", name="Another")
    Execution.objects.filter(pk=stranger.pk).update(workspace=other)
    found = traced(children[0])
    assert [each["id"] for each in found["executions"]] == [str(each.pk) for each in (long_one, *children)]
    assert found["executions"] == traced(long_one)["executions"]
