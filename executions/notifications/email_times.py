"""When a notification is due by email."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from executions.models import EmailChoice

DAILY_HOUR = 8


def due_at(choice: EmailChoice, time_zone: str, now: datetime) -> datetime | None:
    """Return when a notification of now is due: at once, at the next full hour, or at the next 08:00 of the user.

    None without email. `time_zone` is an IANA name; empty: UTC.
    """
    if choice == EmailChoice.OFF:
        return None
    if choice == EmailChoice.AT_ONCE:
        return now
    if choice == EmailChoice.HOURLY:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    local = now.astimezone(ZoneInfo(time_zone or "UTC"))
    morning = local.replace(hour=DAILY_HOUR, minute=0, second=0, microsecond=0)
    return morning if morning > local else morning + timedelta(days=1)  # the wall clock's: daylight saving included
