"""Each receiver has a lane of its own: what it may be sent at a time, and what others notice of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from tests.engine import COMMITS
from tests.receiving import OK, Receiver, Request, receiving, status
from tests.sending import (
    Sending,
    attempts,
    lane,
    make_deliveries,
    make_delivery,
    make_endpoint,
    sending,
    statuses,
)
from webhooks.models import Delivery, Endpoint, Lane
from webhooks.sending import claiming
from workflow_platform.core.outbound import connections
from workflow_platform.installation.embedded import wait_until

pytestmark = COMMITS


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


def open_transactions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND xact_start IS NOT NULL AND state LIKE 'idle in transaction%'"
        )
        return int(cursor.fetchone()[0])


def test_receivers_that_hang_delay_nobody_and_no_transaction_is_open_meanwhile(here: Sending, settings: Any) -> None:
    settings.WEBHOOK_THREADS = 8
    with receiving() as well, receiving() as hanging:
        hanging.answer = hanging.hang
        for _ in range(4):
            made = make_endpoint(hanging.url, timeout_seconds=60)
            Lane.objects.filter(pk=made.pk).update(window=10)  # nothing is known against them
            make_deliveries(made, 10)
        here.wake()
        wait_until(lambda: hanging.at_once >= 8, "All threads")
        assert open_transactions() == 0
        endpoint = make_endpoint(well.url)
        make_deliveries(endpoint, 30)
        wait_until(lambda: here.wake() or len(well.requests) == 30, "The others")  # type: ignore[func-returns-value]
        assert hanging.most_at_once <= 16
        hanging.gate.set()
        here.until(delivered=70)


def test_a_window_opens_with_successes_and_is_never_exceeded_by_several_processes(receiver: Receiver) -> None:
    wide = threading.Event()

    def answer(request: Request) -> bytes:
        if receiver.at_once > 2:
            wide.set()
        if len(receiver.requests) > 40:  # by now it has opened
            wide.wait(60)
        return OK

    receiver.answer = answer
    endpoint = make_endpoint(receiver.url, max_concurrent=6)
    make_deliveries(endpoint, 150)
    with sending() as one, sending() as two:
        one.wake()
        two.until(delivered=150)
    assert lane(endpoint).window == 6
    assert 2 < receiver.most_at_once <= 6
    assert len(receiver.requests) == 150


def test_streams_of_an_ordered_endpoint_are_in_order_and_a_poisoned_one_holds_up_only_itself(
    receiver: Receiver, here: Sending
) -> None:
    endpoint = make_endpoint(receiver.url, ordering="per_stream", max_concurrent=20)
    Lane.objects.filter(pk=endpoint.pk).update(window=20)
    for stream in range(6):
        make_deliveries(endpoint, 12, stream=f"execution:{stream}")
    poison = Delivery.objects.get(ordering_key="execution:3", sequence=4)
    failures = Counter[str]()

    def answer(request: Request) -> bytes:
        if request.id == poison.message_id and not receiver.gate.is_set():
            return status(500)
        failures[request.id] += 1
        # Some fail once, so that order is tried by retries as well.
        return status(503) if failures[request.id] == 1 and int(request.id[-1], 16) % 4 == 0 else OK

    receiver.answer = answer
    Endpoint.objects.filter(pk=endpoint.pk).update(
        retry_policy={"preset": "custom", "delays_seconds": [0.02] * 49}, filter=""
    )
    here.until(delivered=63)
    receiver.gate.set()
    here.until(delivered=72)
    told = {each.message_id: each for each in Delivery.objects.all()}
    for stream in range(6):
        sent = [told[pk].sequence or 0 for pk in receiver.ids if told[pk].ordering_key == f"execution:{stream}"]
        assert all(later in (earlier, earlier + 1) for earlier, later in pairwise(sent)), sent
        assert sent[-1] == 12


def test_a_rate_limit_holds(receiver: Receiver, here: Sending) -> None:
    endpoint = make_endpoint(receiver.url, rate_limit=20, rate_seconds=0.5)
    began = time.monotonic()
    make_deliveries(endpoint, 60)
    here.until(delivered=60)
    assert receiver.requests[-1].at - began >= 1.0  # two spans; tests/unit/test_lane_rules.py looks at each


def test_the_breaker_opens_probes_and_closes(receiver: Receiver, here: Sending, settings: Any) -> None:
    settings.WEBHOOK_BREAKER_FAILURES = 3
    receiver.answering(status(500))
    endpoint = make_endpoint(receiver.url, retry_policy={"preset": "custom", "delays_seconds": [0.0] * 30})
    make_deliveries(endpoint, 20)
    here.drain()
    opened = lane(endpoint)
    assert opened.open_until is not None
    assert 3 <= len(receiver.requests) <= 5
    seen = len(receiver.requests)
    expire(endpoint)
    here.drain()
    assert len(receiver.requests) == seen + 1  # the probe
    probed = lane(endpoint)
    assert (opened.opened_times, probed.opened_times) == (1, 2)  # for longer, as tests/unit/test_lane_rules.py says
    receiver.answering(OK)
    expire(endpoint)
    here.until(delivered=20)
    assert (lane(endpoint).open_until, lane(endpoint).failures) == (None, 0)


def expire(endpoint: Endpoint) -> None:
    Lane.objects.filter(pk=endpoint.pk).update(open_until=datetime.now(UTC) - timedelta(seconds=1))


def test_a_pause_keeps_the_queue_and_its_end_drains_it_without_a_flood(receiver: Receiver, here: Sending) -> None:
    at_once: list[int] = []

    def answer(request: Request) -> bytes:
        at_once.append(receiver.at_once)
        time.sleep(0.01)
        return OK

    receiver.answer = answer
    endpoint = make_endpoint(receiver.url, paused_at=datetime.now(UTC))
    Lane.objects.filter(pk=endpoint.pk).update(window=10)
    make_deliveries(endpoint, 60)
    here.drain()
    assert not receiver.requests
    assert not claiming.is_something_due()
    Endpoint.objects.filter(pk=endpoint.pk).update(paused_at=None)
    claiming.reset_lane(endpoint.pk)
    assert claiming.is_something_due()
    here.until(delivered=60)
    assert at_once[0] == 1
    assert all(now <= sent + 1 for sent, now in enumerate(at_once))
    assert max(at_once) <= 10


@pytest.mark.parametrize("fields", [{"active": False}, {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_nothing_goes_to_an_endpoint_that_is_inactive_or_deleted(
    receiver: Receiver, here: Sending, fields: dict[str, Any]
) -> None:
    make_deliveries(make_endpoint(receiver.url, **fields), 2)
    here.drain()
    assert (receiver.requests, statuses()) == ([], {"pending": 2})


def test_one_endpoint_s_queue_does_not_stand_before_another_s_and_what_is_urgent_goes_first(
    receiver: Receiver, here: Sending, settings: Any
) -> None:
    settings.WEBHOOK_THREADS = 2
    many, few = make_endpoint(f"{receiver.url}many", max_concurrent=1), make_endpoint(f"{receiver.url}few")
    make_deliveries(many, 100)
    make_deliveries(few, 10)
    urgent = make_deliveries(many, 5, rank=0)
    here.until(delivered=115)
    paths = [request.path for request in receiver.requests]
    assert paths[:60].count("/few") == 10
    ids = [request.id for request in receiver.requests if request.path == "/many"]
    assert set(ids[:5]) == {each.message_id for each in urgent}


def test_a_lane_that_is_missing_is_made_and_what_waits_for_nobody_is_ended(receiver: Receiver, here: Sending) -> None:
    endpoint, gone = make_endpoint(receiver.url), make_endpoint(receiver.url)
    make_delivery(endpoint)
    lost = make_delivery(gone)
    Lane.objects.all().delete()
    Endpoint.objects.filter(pk=gone.pk).delete()
    here.drain()
    assert not receiver.requests
    assert claiming.open_missing_lanes() == 2
    here.until(delivered=1, cancelled=1)
    lost.refresh_from_db()
    assert lost.error == "The endpoint was deleted."
    assert attempts(lost) == []


def test_more_lanes_than_one_look_takes_all_have_their_turn(
    receiver: Receiver, here: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "MOST_LANES", 3)
    monkeypatch.setattr(claiming, "MOST_STREAMS", 2)
    for _ in range(8):
        make_deliveries(make_endpoint(receiver.url), 3)
    ordered = make_endpoint(receiver.url, ordering="per_stream")
    for stream in range(7):
        make_deliveries(ordered, 2, stream=f"execution:{stream}")
    here.drain()
    assert statuses() == {"delivered": 38}
