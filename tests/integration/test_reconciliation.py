"""Deliveries held against history: what is missing, forged or doubled is found, what retention removed is not."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from events.log.models import Stream
from events.log.partitions import first_id
from events.log.recorded import RecordedEvent
from tests.delivering import append_to, deliveries_of, end, make_endpoint
from tests.engine import COMMITS
from tests.recording import make_stream
from webhooks import outbox
from webhooks.maintenance import cleanup, counting, reconciliation
from webhooks.maintenance import thread as upkeep
from webhooks.maintenance.cleanup import DeliveryRetention
from webhooks.maintenance.reconciliation import HOUR
from webhooks.models import Delivery, Endpoint, EndpointRevision, HourCount, Origin, Violation
from workflow_platform.core import periodic_thread
from workflow_platform.core.identifiers import uuid7
from workflow_platform.installation.embedded import wait_until

pytestmark = pytest.mark.django_db
EVER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count what happened a moment ago, too; of an endpoint that changed then as well."""
    monkeypatch.setattr(counting, "GRACE", timedelta())


@pytest.fixture
def stream() -> Stream:
    return make_stream()


@pytest.fixture
def endpoint() -> Endpoint:
    made = make_endpoint("tests", "execution.log")
    EndpointRevision.objects.update(began_at=EVER)
    return made


def this_hour() -> datetime:
    return reconciliation.hour_of(datetime.now(UTC))


def counts(endpoint: Endpoint) -> dict[str, int]:
    """Count the hours of now, and return the sums of what was found."""
    found = dict.fromkeys(("due", "delivered", "pending", "failed", "cancelled", "violations"), 0)
    for hour in (this_hour() - HOUR, this_hour()):  # the hour may just have changed
        reconciliation.reconcile(hour, endpoint.pk)
        for row in HourCount.objects.filter(endpoint=endpoint, hour=hour):
            for name in found:
                found[name] += getattr(row, name)
    return {name: count for name, count in found.items() if count}


def violations(endpoint: Endpoint) -> list[tuple[str, str]]:
    found = Violation.objects.filter(endpoint=endpoint).order_by("kind", "event_id")
    return [(each.kind, str(each.event_id)) for each in found]


def move_back(events: list[RecordedEvent], by: timedelta) -> None:
    """Have events recorded earlier, with their deliveries."""
    for number, event in enumerate(events):
        new = UUID(int=first_id(event.happened_at - by).int + number)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE events_event SET id = %s WHERE id = %s", [new, event.id])
            cursor.execute("UPDATE webhooks_delivery SET event_id = %s WHERE event_id = %s", [new, event.id])
        event.id = str(new)


def reconcile_command(*arguments: str) -> tuple[str, int]:
    """Return what the command says, and its exit code."""
    out = io.StringIO()
    try:
        call_command("reconcile_deliveries", *arguments, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(ended.code or 0)
    return out.getvalue(), 0


# --- what is found ---------------------------------------------------------------------------------------------------


def test_what_is_due_is_what_was_delivered_or_is_pending_failed_or_cancelled(
    stream: Stream, endpoint: Endpoint
) -> None:
    append_to(stream, *["execution.log"] * 6, "execution.paused")
    append_to(make_stream("strangers"), "execution.log")
    made = deliveries_of(endpoint)
    for each, status in zip(made, ("delivered", "failed", "cancelled", "delivered"), strict=False):
        end([each], status)
    Delivery.objects.filter(pk=made[-1].pk).update(status="sending")
    outbox.deliver_to(endpoint, append_to(stream, "execution.paused"), Origin.REPLAY)
    assert counts(endpoint) == {"due": 6, "delivered": 2, "pending": 2, "failed": 1, "cancelled": 1}
    assert violations(endpoint) == []


def test_a_deleted_a_forged_and_a_doubled_delivery_are_found_and_what_is_missing_is_made(
    stream: Stream, endpoint: Endpoint
) -> None:
    other = make_endpoint("tests", "execution.log")
    EndpointRevision.objects.update(began_at=EVER)
    events = append_to(stream, *["execution.log"] * 4, "execution.paused")
    made = deliveries_of(endpoint)
    made[0].delete()
    twice = Delivery.objects.get(pk=made[1].pk)
    twice.pk = uuid7()
    twice.save(force_insert=True)
    outbox.deliver_to(endpoint, [events[4]], Origin.EVENT)
    forged = uuid4()
    Delivery.objects.filter(pk=made[2].pk).update(event_id=forged)
    assert counts(endpoint) == {"due": 4, "pending": 5, "violations": 5}
    missing = sorted([("missing", events[0].id), ("missing", events[2].id)])
    surplus = sorted([("surplus", events[4].id), ("surplus", str(forged))])
    assert sorted(violations(endpoint)) == sorted([("doubled", events[1].id), *missing, *surplus])
    said, code = reconcile_command("--since", "2h", "--endpoint", str(endpoint.pk))
    assert code == 1
    assert f"missing: event {events[0].id}" in said
    assert "4 due = 0 delivered + 5 pending + 0 failed + 0 cancelled; 5 violations" in said
    assert "webhooks_unreconciled 5\n" in Client().get("/metrics").content.decode()

    Delivery.objects.filter(pk=twice.pk).delete()
    Delivery.objects.filter(event_id__in=[forged, events[4].id]).delete()
    said, code = reconcile_command("--since", "2h", "--repair")
    assert (code, "2 missing deliveries created" in said) == (0, True)
    assert counts(endpoint) == {"due": 4, "pending": 4}
    assert (violations(endpoint), violations(other)) == ([], [])
    assert len(deliveries_of(endpoint)) == 4


def test_what_an_endpoint_wanted_at_the_time_counts(stream: Stream, endpoint: Endpoint) -> None:
    early = append_to(stream, "execution.log", "execution.paused")
    move_back(early, timedelta(minutes=30))
    change = datetime.now(UTC) - timedelta(minutes=20)
    EndpointRevision.objects.update(ended_at=change)
    wanted = {"listening": True, "event_types": ["execution.paused"]}
    EndpointRevision.objects.create(endpoint=endpoint, began_at=change, **wanted)
    Endpoint.objects.update(event_types=["execution.paused"])
    append_to(stream, "execution.log", "execution.paused")
    assert counts(endpoint) == {"due": 2, "pending": 2}


@pytest.mark.parametrize(
    ("began", "delivered", "missing", "surplus"),
    [(-10, False, 1, 0), (-2, False, 0, 0), (2, False, 0, 0), (2, True, 0, 0), (10, True, 0, 1), (10, False, 0, 0)],
)
def test_within_seconds_of_a_change_an_event_may_count_either_way(
    stream: Stream, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch,
    began: int, delivered: bool, missing: int, surplus: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(counting, "GRACE", timedelta(seconds=5))
    (event,) = append_to(stream, "execution.log")
    if not delivered:
        Delivery.objects.all().delete()
    EndpointRevision.objects.update(began_at=event.happened_at + timedelta(seconds=began))
    hour = reconciliation.hour_of(event.happened_at)
    rows = counting.count(hour, hour + HOUR, endpoint.pk)
    assert (sum(each.missing for each in rows), sum(each.surplus for each in rows)) == (missing, surplus)


def test_an_hour_is_counted_until_nothing_is_pending_and_it_is_long_over(stream: Stream, endpoint: Endpoint) -> None:
    three, two = append_to(stream, "execution.log"), append_to(stream, "execution.log")
    move_back(three, timedelta(hours=5))
    move_back(two, timedelta(hours=3))
    append_to(stream, "execution.log")
    sweeper = reconciliation.Sweeper()
    first = reconciliation.hour_of(three[0].happened_at - timedelta(hours=5))
    assert set(sweeper.sweep()) >= {first, first + 2 * HOUR}
    assert sweeper.sweep() == []  # it rests
    end(deliveries_of(endpoint)[:1])
    Delivery.objects.filter(pk=deliveries_of(endpoint)[1].pk).update(status="failed", ended_at=timezone.now())
    for _ in range(2):
        hours = reconciliation.hours_to_count()
        assert len(hours) <= 4
        for hour in hours:
            reconciliation.reconcile(hour)
    finals = set(HourCount.objects.filter(final=True).values_list("hour", flat=True))
    assert finals >= {first, first + 2 * HOUR}
    assert this_hour() not in finals
    assert not finals & set(reconciliation.hours_to_count())


def test_where_nobody_listens_nothing_is_counted(stream: Stream) -> None:
    append_to(stream, "execution.log")
    reconciliation.catch_up()
    assert reconciliation.hours_to_count() == []
    assert reconcile_command("--since", "2h") == (
        "0 due = 0 delivered + 0 pending + 0 failed + 0 cancelled; 0 violations\n", 0,
    )  # fmt: skip


@COMMITS
def test_the_scheduler_counts_and_cleans_up_beside_its_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(periodic_thread, "SPREAD_SECONDS", 0.0)
    stream, endpoint = make_stream(), make_endpoint("tests", "execution.log")
    append_to(stream, "execution.log", "execution.log")
    end(deliveries_of(endpoint)[:1], ago=timedelta(days=31))
    work = upkeep.Upkeep()
    work.start()
    wait_until(lambda: HourCount.objects.filter(endpoint=endpoint, delivered=1, pending=1).exists(), "The count")
    wait_until(lambda: Delivery.objects.count() == 1, "The cleanup")
    work.stop()


# --- and what retention removes --------------------------------------------------------------------------------------


def test_removed_deliveries_stay_in_the_figures_and_a_lack_is_still_found(stream: Stream, endpoint: Endpoint) -> None:
    events = append_to(stream, *["execution.log"] * 6)
    made = deliveries_of(endpoint)
    end(made[:2])
    end(made[2:3], "failed")
    assert cleanup.clean_up(DeliveryRetention(timedelta(days=30), 1)).deliveries == 2
    assert counts(endpoint) == {"due": 6, "delivered": 2, "pending": 3, "failed": 1}
    made[4].delete()
    assert counts(endpoint) == {"due": 6, "delivered": 2, "pending": 2, "failed": 1, "violations": 1}
    assert violations(endpoint) == [("missing", events[4].id)]
    assert reconcile_command("--since", "2h", "--repair")[1] == 0
    assert len(deliveries_of(endpoint)) == 4


def test_a_delivery_whose_event_was_removed_is_as_good_as_due_and_a_lack_stays_listed(
    stream: Stream, endpoint: Endpoint
) -> None:
    events = append_to(stream, *["execution.log"] * 3)
    deliveries_of(endpoint)[0].delete()
    assert counts(endpoint) == {"due": 3, "pending": 2, "violations": 1}
    Stream.objects.filter(pk=stream.pk).update(removed_through=3)
    assert counts(endpoint) == {"due": 3, "pending": 2, "violations": 1}
    assert violations(endpoint) == [("missing", events[0].id)]
    Stream.objects.all().filter(pk=stream.pk).update(name="execution:gone")
    assert counts(endpoint) == {"due": 3, "pending": 2, "violations": 1}


def test_an_event_that_was_imported_was_never_due(stream: Stream, endpoint: Endpoint) -> None:
    append_to(stream, "execution.log")
    Delivery.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_event SET transaction = 0 WHERE stream_id = %s", [stream.pk])
    assert counts(endpoint) == {}


def test_the_commands_refuse_what_makes_no_sense() -> None:
    from django.core.management.base import CommandError

    for command, *words in (
        ["reconcile_deliveries", "--since", "yesterday"], ["reconcile_deliveries", "--endpoint", "x"],
        ["reconcile_deliveries", "--endpoint", str(uuid4())], ["cleanup_deliveries", "--days", "-1"],
        ["cleanup_deliveries", "--max-attempts", "many"],
    ):  # fmt: skip
        with pytest.raises(CommandError):
            call_command(command, *words)
