"""The list of events in the admin site reads no more than it shows."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from events.admin_filters import MOST_LISTED
from events.log import partitions
from tests.integration.test_history import open_stream, say
from workflow_platform.core.accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="staff", is_staff=True, is_superuser=True))
    return client


def listed(client: Client, **query: str) -> list[int]:
    page = client.get("/admin/events/event/", query)
    assert page.status_code == 200
    return [event.sequence for event in page.context["cl"].result_list]


def test_events_are_found_by_id_execution_stream_type_and_day(staff: Client) -> None:
    one, two = open_stream(), open_stream()
    first, second = say(one, "1", "2")
    (third,) = say(two, "3", type_="execution.paused")
    assert len(listed(staff)) >= 3
    assert listed(staff, q=second.id) == [2]
    assert listed(staff, q=one.name) == [2, 1]
    assert listed(staff, q=one.name.removeprefix("execution:")) == [2, 1]
    assert listed(staff, q="no such thing") == []
    assert listed(staff, q=two.name, type="execution.log") == []
    assert listed(staff, q=two.name, type="execution.paused", recorded="today") == [third.sequence]
    assert listed(staff, q=first.id, recorded="yesterday") == []
    page = staff.get(f"/admin/events/event/{first.id}/change/")
    assert page.status_code == 200
    assert "message" in page.content.decode()


def test_the_list_counts_nothing_and_looks_only_at_the_days_that_are_asked_for(staff: Client) -> None:
    say(open_stream(), "1")
    with CaptureQueriesContext(connection) as queries:
        staff.get("/admin/events/event/", {"recorded": "today"})
    of_events = [query["sql"] for query in queries if 'FROM "events_event"' in query["sql"]]
    assert of_events[0].endswith(f"LIMIT {MOST_LISTED}")
    for statement in of_events:
        assert "COUNT(" not in statement
        assert "DISTINCT" not in statement
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        looked_at = set(re.findall(r"events_event_(\d{8})", plan))
        before = {p.name[-8:] for p in partitions.partitions() if p.day < partitions.partitions()[-15].day}
        assert not looked_at & before
