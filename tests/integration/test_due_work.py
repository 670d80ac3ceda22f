"""The statement that tells an idle scheduler what is due, and the sweeps that run after it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from executions.engine import node_deliveries
from executions.management.commands import run_scheduler
from executions.management.commands.run_scheduler import Sweep, run_due
from executions.models import Execution, Wait, WaitKind
from executions.triggers import schedules
from executions.workers import autoscaling, due_work, recovery
from executions.workers.due_work import DueWork
from tests.engine import make_execution
from tests.scheduling import due_now, scheduled
from tests.workflows import node
from webhooks.models import Delivery, DeliveryStatus, Origin
from webhooks.sending import sweeper
from workflow_platform.core.accounts import removal

DESCRIBED = {
    "schedules": schedules.NEXT_DUE,
    "recovery": recovery.NEXT_DUE,
    "workers": autoscaling.NEXT_DUE,
    "deliveries": sweeper.NEXT_DUE,
    "waits": node_deliveries.NEXT_DUE,
    "removal": removal.NEXT_DUE,
}
pytestmark = pytest.mark.django_db


def due() -> dict[str, float]:
    return DueWork(DESCRIBED).seconds_until_due()


def an_execution(**columns: Any) -> Execution:
    execution = make_execution([node("start", "manual_trigger")], [])
    Execution.objects.filter(pk=execution.pk).update(**columns)
    return execution


def test_nothing_is_due_while_nothing_waits() -> None:
    assert due() == {}
    scheduled(interval_seconds=3600)
    assert due()["schedules"] > 0


def test_a_schedule_is_due_at_its_next_time() -> None:
    due_now(scheduled(interval_seconds=3600))
    assert due()["schedules"] <= 0


@pytest.mark.parametrize(
    ("columns", "seconds"),
    [
        ({"status": "queued", "admitted_at": None}, 0),
        ({"status": "queued", "admitted_at": timedelta()}, recovery.ADMITTED_GRACE.total_seconds()),
        ({"status": "waiting", "admitted_at": None, "resume_at": timedelta(hours=1)}, 3600),
        ({"status": "waiting", "admitted_at": None, "resume_at": timedelta(seconds=-1)}, -1),
        ({"status": "running", "admitted_at": timedelta(), "lease_expires_at": timedelta(seconds=9)}, 9),
        ({"status": "running", "admitted_at": timedelta(), "lease_expires_at": None}, 0),
        ({"status": "waiting", "admitted_at": None, "cancel_requested_at": timedelta()}, 0),
        ({"status": "completed", "ended_at": timedelta(), "follow_up_due": True}, 0),
        ({"status": "waiting", "admitted_at": None, "resume_at": None}, None),
        ({"status": "completed", "ended_at": timedelta(), "follow_up_due": False}, None),
    ],
)
def test_an_execution_is_due_when_a_sweep_would_do_something(columns: dict[str, Any], seconds: float | None) -> None:
    now = timezone.now()
    an_execution(**{name: now + value if isinstance(value, timedelta) else value for name, value in columns.items()})
    found = due().get("recovery")
    if seconds is None:
        assert found is None
    else:
        assert found is not None
        elapsed = (timezone.now() - now).total_seconds()
        assert seconds - elapsed - 0.01 <= found <= seconds
    assert ("workers" in due()) is (columns["status"] != "running" and columns.get("admitted_at") is not None)


def test_deliveries_and_waits_for_them_are_due_at_their_time() -> None:
    execution = an_execution()
    common = {"workspace_id": execution.workspace_id, "origin": Origin.NODE, "url": "https://receiver.example/"}
    later = timezone.now() + timedelta(hours=1)
    delivery = Delivery.objects.create(lane_id=execution.pk, due_at=later, rank=1, **common)
    assert due()["deliveries"] > 3500
    Delivery.objects.create(lane_id=execution.workspace_id, due_at=timezone.now(), rank=2, **common)
    assert due()["deliveries"] <= 0
    Delivery.objects.update(status=DeliveryStatus.SENDING, lease_expires_at=later)
    assert due()["deliveries"] > 3500
    assert "waits" not in due()
    Wait.objects.create(
        execution=execution, node_id="a", run_index=0, attempt=1, kind=WaitKind.DELIVERY, delivery_id=delivery.pk
    )
    assert due()["waits"] <= 0


def test_only_tasks_with_something_to_do_run_and_the_scheduler_sleeps_until_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []
    sweeps = [
        Sweep(name, lambda name=name: ran.append(name), due=f"SELECT statement_timestamp() {change}")  # type: ignore[misc]
        for name, change in {
            "overdue": "- interval '1 s'",
            "soon": "+ interval '100 ms'",
            "far": "+ interval '1 h'",
        }.items()
    ]
    sweeps.append(Sweep("nothing", lambda: ran.append("nothing"), due="SELECT NULL::timestamptz"))
    sweeps.append(Sweep("always", lambda: ran.append("always")))
    work = DueWork({sweep.name: sweep.due for sweep in sweeps if sweep.due})
    run_due(sweeps, work, "scheduler here")  # all run at first: what a crash left is unknown
    ran.clear()
    assert run_due(sweeps, work, "scheduler here") == pytest.approx(0.1)
    assert ran == ["overdue", "always"]
    assert run_due(sweeps[2:], DueWork({"far": str(sweeps[2].due)}), "here") == run_scheduler.QUIET_INTERVAL_SECONDS
    monkeypatch.setattr(due_work, "PLAN_SECONDS", 0.0)  # prepared anew each time
    assert set(work.seconds_until_due()) == set(work.seconds_until_due()) == {"overdue", "soon", "far"}


def test_a_broken_statement_makes_all_tasks_run(caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []
    sweep = Sweep("one", lambda: ran.append("one"), due="SELECT no_such_column")
    for _ in range(2):
        connection.close()
        run_due([sweep], DueWork({"one": str(sweep.due)}), "scheduler here")
    assert ran == ["one", "one"]
    assert "due work not determined" in caplog.text
