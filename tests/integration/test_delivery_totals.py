"""Totals count each row once, however it was written, and nothing that happens to it later changes them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from tests.delivering import append_to, deliveries_of, end, make_endpoint
from tests.recording import make_stream
from webhooks.maintenance import cleanup, totals
from webhooks.maintenance.cleanup import DeliveryRetention
from webhooks.models import Delivery, DeliveryTotal, InboundRequest
from webhooks.outbox import spans
from workflow_platform.core.identifiers import uuid7

COUNTED = {
    "webhooks_queued": 4, "webhooks_delivered": 2, "webhooks_failed": 1, "webhooks_retried": 4, "inbound_requests": 1,
    "traces_queued": 2, "traces_delivered": 1, "traces_retried": 1,
}  # fmt: skip


def counted() -> dict[str, int]:
    return dict(DeliveryTotal.objects.values_list("name").annotate(Sum("count")).order_by())


def write() -> None:
    """Write deliveries by COPY and by INSERT, with attempts; two are of spans."""
    endpoint = make_endpoint("tests", "execution.log")
    append_to(make_stream(), *["execution.log"] * 4)
    made = deliveries_of(endpoint)
    end(made[:2], attempts=2, ago=timedelta(days=40))
    end(made[2:3], "failed", attempts=3)
    exported = spans.create_for_collector(["{}", "{}"])
    end(exported[:1], attempts=2)
    at = timezone.now()
    InboundRequest.objects.create(id=uuid7(), received_at=at, method="POST", path="x", accepted=True, status_code=200)


@pytest.mark.django_db
def test_each_row_is_counted_once_and_spans_apart() -> None:
    write()
    assert counted() == COUNTED
    again = Delivery.objects.first()
    assert again is not None
    Delivery.objects.bulk_create([again], ignore_conflicts=True)  # a repeated idempotency key writes no row
    cleanup.clean_up(DeliveryRetention.of_settings())
    assert Delivery.objects.count() < 6
    assert counted() == COUNTED


@pytest.mark.django_db
def test_totals_of_ended_connections_are_added_up() -> None:
    write()
    DeliveryTotal.objects.bulk_create(
        DeliveryTotal(backend=backend, name="webhooks_queued", count=10) for backend in (2**31 - 1, 2**31 - 2)
    )
    totals.add_up_ended()
    assert counted() == COUNTED | {"webhooks_queued": 24}
    assert DeliveryTotal.objects.get(backend=0).count == 20
    totals.add_up_ended()
    assert counted()["webhooks_queued"] == 24


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_counts_what_is_stored_and_what_was_removed() -> None:
    try:
        call_command("migrate", "webhooks", "0008", verbosity=0)
        write()
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO webhooks_removedtotals VALUES (1, 100, 90, 5, 7, 50, NULL, '{}')")
    finally:
        call_command("migrate", "webhooks", verbosity=0)
    removed = {"webhooks_queued": 100, "webhooks_delivered": 90, "webhooks_failed": 5, "webhooks_retried": 7}
    removed["inbound_requests"] = 50
    assert counted() == {name: count + removed.get(name, 0) for name, count in COUNTED.items()}
    Delivery.objects.bulk_create(outbox_of_one())
    assert counted()["webhooks_queued"] == 105


def outbox_of_one() -> list[Delivery]:
    endpoint = make_endpoint("more")
    return [Delivery(workspace=endpoint.workspace, lane_id=endpoint.pk, endpoint=endpoint, due_at=timezone.now())]
