"""Retention of deliveries: what ended long ago goes, what has not ended never, and the figures stay true."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from events.log.models import Stream
from events.log.partitions import first_id
from tests.delivering import append_to, deliveries_of, end, make_endpoint
from tests.recording import make_stream
from webhooks import outbox
from webhooks.maintenance import cleanup, reconciliation
from webhooks.maintenance.cleanup import DeliveryRetention
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, InboundRequest, Lane, Operation, SeenMessage
from webhooks.outbox.ad_hoc import lane_id_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream() -> Stream:
    return make_stream()


@pytest.fixture
def endpoint(stream: Stream) -> Endpoint:
    return make_endpoint("tests", "execution.log")


def test_a_cleanup_removes_what_ended_long_ago_and_never_what_is_pending(stream: Stream, endpoint: Endpoint) -> None:
    append_to(stream, *["execution.log"] * 5)
    made = deliveries_of(endpoint)
    old = timedelta(days=31)
    end(made[:2], ago=old, attempts=3)
    end(made[2:3])
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(workspace_id=made[3].workspace_id, delivery=made[3], number=number, outcome="retry",
                        started_at=timezone.now() - old, url="") for number in (1, 2)
    )  # fmt: skip
    Delivery.objects.filter(pk=made[3].pk).update(created_at=timezone.now() - old)
    for ago in (old, timedelta()):
        at = timezone.now() - ago
        InboundRequest.objects.create(
            id=first_id(at), received_at=at, method="POST", path="x", accepted=True, status_code=200
        )
        SeenMessage.objects.create(path="x", message_id=str(ago), execution_id=uuid4(), seen_at=at)
    Operation.objects.create(workspace=endpoint.workspace, kind="cancel", state="completed", ended_at=at - old)
    gone = make_endpoint(deleted_at=timezone.now() - old)
    before = Client().get("/metrics").content.decode()

    out = io.StringIO()
    call_command("cleanup_deliveries", "--dry-run", stdout=out)
    foretold = ["2 deliveries", "6 attempts", "1 inbound request", "1 seen message"]
    assert out.getvalue().splitlines() == [f"{what} would be removed" for what in foretold]
    out = io.StringIO()
    call_command("cleanup_deliveries", stdout=out)
    done = [*foretold, "1 operation", "1 endpoint"]
    assert out.getvalue().splitlines() == [f"{what} removed" for what in done]
    assert [each.pk for each in deliveries_of(endpoint)] == [each.pk for each in made[2:]]
    assert DeliveryAttempt.objects.count() == 3
    assert not Endpoint.objects.filter(pk=gone.pk).exists()
    assert without_time(Client().get("/metrics").content.decode()) == without_time(before)

    out = io.StringIO()
    call_command("cleanup_deliveries", "--days", "0", "--max-attempts", "1", stdout=out)
    assert [each.pk for each in deliveries_of(endpoint)] == [each.pk for each in made[3:]]
    assert DeliveryAttempt.objects.count() == 2
    out = io.StringIO()
    call_command("cleanup_deliveries", "--max-attempts", "1", stdout=out)
    assert out.getvalue() == "Nothing to remove.\n"


def without_time(figures: str) -> list[str]:
    """Return the metrics of webhooks that do not depend on the time."""
    lines = [line for line in figures.splitlines() if line.startswith("webhook")]
    return [line for line in lines if "timestamp" not in line and "_seconds" not in line]


def test_of_too_many_attempts_the_oldest_go_and_no_more_than_need_be(
    stream: Stream, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "BATCH", 2)
    append_to(stream, *["execution.log"] * 6)
    made = deliveries_of(endpoint)
    for number, each in enumerate(made[:5]):
        end([each], ago=timedelta(minutes=10 - number), attempts=2)
    terms = DeliveryRetention(timedelta(days=30), 5)
    assert cleanup.forecast(terms) == cleanup.RemovedRows(deliveries=3, attempts=6)
    assert cleanup.clean_up(terms) == cleanup.RemovedRows(deliveries=3, attempts=6)
    assert [each.pk for each in deliveries_of(endpoint)] == [each.pk for each in made[3:]]
    assert cleanup.clean_up(DeliveryRetention(timedelta(days=30), 0)).is_empty


def test_hosts_to_which_nothing_goes_any_more_are_forgotten(endpoint: Endpoint) -> None:
    wanted = [outbox.AdHoc(workspace_id=endpoint.workspace_id, url=f"http://127.0.0.{n}/") for n in (2, 3, 4)]
    outbox.create_ad_hoc(wanted)
    Delivery.objects.exclude(lane_id=lane_id_of(endpoint.workspace_id, wanted[0].url)).delete()
    Lane.objects.filter(host__contains="127.0.0.4").update(succeeded_at=timezone.now())
    Lane.objects.update(tokens_at=timezone.now() - timedelta(days=31))
    assert cleanup.clean_up(DeliveryRetention(timedelta(days=30), 0)) == cleanup.RemovedRows(lanes=1)
    assert set(Lane.objects.values_list("host", flat=True)) == {"", "127.0.0.2:80", "127.0.0.4:80"}


def test_a_delivery_that_is_sent_again_meanwhile_stays(
    stream: Stream, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_to(stream, "execution.log")
    made = deliveries_of(endpoint)
    end(made)
    real: Any = reconciliation.lock

    def then_redelivered() -> None:
        real()
        outbox.redeliver(made)

    monkeypatch.setattr(reconciliation, "lock", then_redelivered)
    assert cleanup.clean_up(DeliveryRetention(timedelta(), 0)).deliveries == 0
    assert len(deliveries_of(endpoint)) == 1
