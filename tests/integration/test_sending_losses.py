"""What is lost on the way is sent again: workers, jobs, leases, connections to the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import redis
from django.db import connection

from tests.conftest import Platform
from tests.engine import COMMITS
from tests.receiving import OK, Receiver, receiving
from tests.sending import (
    Sending,
    attempts,
    lose_sender,
    make_deliveries,
    make_delivery,
    make_endpoint,
    sending,
    statuses,
)
from webhooks.models import Delivery
from webhooks.sending import sender, sweeper, transport
from webhooks.sending.claimed_delivery import ClaimedDelivery
from webhooks.sending.transport import AttemptResult
from workflow_platform.core.outbound import connections
from workflow_platform.installation.embedded import wait_until


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    yield
    connections.idle_connections().clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def here() -> Iterator[Sending]:
    with sending() as made:
        yield made


@COMMITS
def test_what_a_lost_worker_was_sending_is_sent_again_and_its_late_result_is_not_written(
    receiver: Receiver, here: Sending
) -> None:
    receiver.answer = receiver.hang
    delivery = make_delivery(make_endpoint(receiver.url, retry_policy={"preset": "custom", "max_attempts": 1}))
    here.wake()
    wait_until(lambda: receiver.at_once == 1, "The first attempt")
    lose_sender(delivery.pk)
    assert sweeper.sweep() == 1
    receiver.answer = lambda request: OK
    with sending() as other:
        other.until(delivered=1)
        assert [each.outcome for each in attempts(delivery)] == ["lost", "delivered"]
        receiver.gate.set()  # the first one goes on
        here.drain()
    assert receiver.ids == [delivery.message_id] * 2
    assert [(each.number, each.outcome) for each in attempts(delivery)] == [(1, "lost"), (2, "delivered")]
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts_made, delivery.status_code) == ("delivered", 2, 200)


@COMMITS
def test_what_was_to_be_cancelled_while_it_was_sent_is_not_tried_again(receiver: Receiver, here: Sending) -> None:
    receiver.answer = lambda request: receiver.hang(request) and None
    endpoint = make_endpoint(receiver.url)
    failing, lost = make_deliveries(endpoint, 2)
    here.wake()
    wait_until(lambda: receiver.at_once == 2, "Both")
    Delivery.objects.update(cancel_requested=True)
    lose_sender(lost.pk)
    sweeper.sweep()
    receiver.gate.set()
    here.drain()
    assert statuses() == {"cancelled": 2}
    assert [each.outcome for each in (*attempts(failing), *attempts(lost))] == ["failed", "lost"]
    assert attempts(failing)[0].next_attempt_at is None


@COMMITS
def test_long_attempts_keep_their_lease(receiver: Receiver, here: Sending, settings: Any) -> None:
    settings.LEASE_SECONDS = 1.0
    receiver.answer = receiver.hang
    delivery = make_delivery(make_endpoint(receiver.url, timeout_seconds=20))
    here.wake()
    wait_until(lambda: receiver.at_once == 1, "The attempt")
    first = lease(delivery)
    wait_until(lambda: lease(delivery) > first and datetime.now(UTC) > first, "A renewal")
    assert sweeper.sweep() == 0
    receiver.gate.set()
    here.until(delivered=1)
    assert len(receiver.requests) == 1


def lease(delivery: Delivery) -> datetime:
    delivery.refresh_from_db()
    assert delivery.lease_expires_at is not None
    return delivery.lease_expires_at


@COMMITS
def test_a_worker_that_is_told_to_stop_ends_what_it_sends_and_gives_the_rest_back(
    receiver: Receiver, here: Sending
) -> None:
    receiver.answer = receiver.hang
    make_deliveries(make_endpoint(receiver.url, max_concurrent=2), 20)
    here.wake()
    wait_until(lambda: receiver.at_once == 2, "Two attempts")
    here.stop.set()
    receiver.gate.set()
    here.end()
    assert statuses() == {"delivered": 2, "pending": 18}
    assert set(Delivery.objects.filter(status="pending").values_list("attempts_made", flat=True)) == {0}
    with sending() as other:
        other.until(delivered=20)
    assert len(receiver.requests) == 20


@COMMITS
def test_one_job_waits_for_the_sender_and_others_only_wake_it(receiver: Receiver, here: Sending) -> None:
    receiver.answer = receiver.hang
    endpoint = make_endpoint(receiver.url)
    make_deliveries(endpoint, 1)
    here.wake()
    wait_until(lambda: receiver.at_once == 1, "The attempt")
    make_deliveries(endpoint, 1)
    here.sender.serve(here.stop)
    wait_until(lambda: receiver.at_once == 2, "The other")
    receiver.gate.set()
    here.until(delivered=2)
    here.stop.set()
    here.sender.join(60)


@COMMITS
def test_what_cannot_be_stored_of_one_delivery_does_not_hold_up_the_others(
    receiver: Receiver, here: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "RETRY_SECONDS", 0.01)
    made = make_deliveries(make_endpoint(receiver.url), 4)
    send = transport.send

    def sends(claimed: ClaimedDelivery) -> AttemptResult:
        attempt = send(claimed)
        if claimed.id == made[1].pk:
            attempt.response_body = "\ud800 or \0"
        return attempt

    monkeypatch.setattr(transport, "send", sends)
    here.until(delivered=4)
    (attempt,) = attempts(made[1])
    assert (attempt.outcome, attempt.response_body) == ("delivered", "")
    assert attempts(made[2])[0].response_body == "ok"


@COMMITS
def test_results_outlive_the_connection_to_the_database(receiver: Receiver, here: Sending) -> None:
    receiver.answer = receiver.hang
    make_deliveries(make_endpoint(receiver.url), 2)
    here.wake()
    wait_until(lambda: receiver.at_once == 2, "Two attempts")
    with psycopg.connect(_url(), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
    connection.close()
    receiver.gate.set()
    here.until(delivered=2)
    assert len(receiver.requests) == 2


def _url() -> str:
    return os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{connection.settings_dict['NAME']}"


@COMMITS
def test_a_delivery_whose_sender_is_lost_again_and_again_is_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "MOST_LOSSES", 3)
    delivery = make_delivery(make_endpoint(receiver.url))
    for number in range(1, 4):
        Delivery.objects.filter(pk=delivery.pk).update(status="sending", attempts_made=number)
        lose_sender(delivery.pk)
        sweeper.sweep()
    assert statuses() == {"failed": 1}
    assert [each.outcome for each in attempts(delivery)] == ["lost"] * 3


_MAKE = """
from tests.sending import make_deliveries, make_endpoint
from webhooks import dispatcher
from django.db import transaction
with transaction.atomic():
    made = make_deliveries(make_endpoint({url!r}), {count})
    {wake}
print(*(each.message_id for each in made))
"""


def test_workers_send_what_is_committed_and_the_sweep_what_no_job_told_of(
    platform: Platform, receiver: Receiver
) -> None:
    told = platform.shell.run(_MAKE.format(url=receiver.url, count=40, wake="dispatcher.wake_on_commit()")).split()
    wait_until(lambda: sorted(receiver.ids) == sorted(told), "The deliveries")
    with redis.Redis.from_url(platform.environment["REDIS_URL"]) as client:
        client.flushdb()
    told += platform.shell.run(_MAKE.format(url=receiver.url, count=40, wake="")).split()
    wait_until(lambda: sorted(receiver.ids) == sorted(told), "Those without a job")
    theirs = "SELECT DISTINCT status FROM webhooks_delivery WHERE 'msg_' || replace(id::text, '-', '') = ANY(%s)"
    wait_until(lambda: platform.query(theirs, told) == [("delivered",)], "Their records")
