"""Deliveries on their way: a sender in this process, a real receiver, real rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine import COMMITS
from tests.receiving import Receiver, receiving
from tests.sending import Sending, attempts, make_deliveries, make_endpoint, sending, statuses
from workflow_platform import connections

pytestmark = COMMITS


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    yield
    connections.idle_connections.clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def here() -> Iterator[Sending]:
    with sending() as made:
        yield made


def test_what_is_due_is_sent_once_and_logged(receiver: Receiver, here: Sending) -> None:
    made = make_deliveries(make_endpoint(receiver.url), 100)
    here.drain()
    assert statuses() == {"delivered": 100}
    assert sorted(receiver.ids) == sorted(each.message_id for each in made)
    (attempt,) = attempts(made[0])
    assert (attempt.number, attempt.outcome, attempt.status_code, attempt.response_body) == (1, "delivered", 200, "ok")
    assert attempt.total_ms is not None
