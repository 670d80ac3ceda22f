"""When a notification is due by email."""

from __future__ import annotations

from datetime import datetime

import pytest

from executions.models import EmailChoice
from executions.notifications.email_times import due_at


@pytest.mark.parametrize(
    ("choice", "zone", "now", "due"),
    [
        ("at_once", "", "2026-11-30T10:20:30+00:00", "2026-11-30T10:20:30+00:00"),
        ("hourly", "", "2026-11-30T23:20:30+00:00", "2026-12-01T00:00:00+00:00"),
        ("daily", "", "2026-11-30T07:59:00+00:00", "2026-11-30T08:00:00+00:00"),
        ("daily", "", "2026-11-30T08:00:00+00:00", "2026-12-01T08:00:00+00:00"),
        ("daily", "Europe/Berlin", "2026-11-30T06:59:00+00:00", "2026-11-30T07:00:00+00:00"),
        ("daily", "Europe/Berlin", "2026-10-24T09:00:00+00:00", "2026-10-25T07:00:00+00:00"),
    ],
)
def test_emails_are_due_at_full_hours_and_in_the_morning_of_the_user(
    choice: str, zone: str, now: str, due: str
) -> None:
    assert due_at(EmailChoice(choice), zone, datetime.fromisoformat(now)) == datetime.fromisoformat(due)


def test_without_email_nothing_is_due() -> None:
    assert due_at(EmailChoice.OFF, "", datetime.fromisoformat("2026-11-30T10:00:00+00:00")) is None
