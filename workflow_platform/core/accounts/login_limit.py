"""Limits the attempts to guess passwords. Every attempt is counted before its password is checked, so that parallel
attempts cannot exceed the limit, and uncounted if the password was right.

Counters are rows, whose updates are atomic and do not depend on Redis. A device from which the user has logged in
before has a separate counter, so that an attacker cannot lock the owner of an account out. Without one, an account
allows fewer attempts from one address than from all addresses: a single attacker does not block the owner at another
address.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException

from workflow_platform.core.accounts.hashing import HashingBusy
from workflow_platform.core.accounts.models import LoginCounter
from workflow_platform.core.outbound.addresses import IPAddress
from workflow_platform.core.requests.client_address import counted_as

WINDOW = timedelta(minutes=1)
"""From the first attempt under a key. After this time its counter restarts."""
FAILURES_PER_NAME = 10
FAILURES_PER_NAME_AND_ADDRESS = 5
FAILURES_PER_ADDRESS = 30
FAILURES_PER_DEVICE = 10
SWEPT = 5_000


class TooManyAttempts(APIException):
    """The limit is reached. Nothing was checked."""

    status_code = 429
    default_code = "throttled"

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many attempts to log in. Try again in {wait} seconds.")
        self.wait = wait
        """Seconds; REST framework sends it as Retry-After."""


REFUSED = (TooManyAttempts, HashingBusy)
"""The exceptions of a password check that was refused."""


def refusal_text(refusal: TooManyAttempts | HashingBusy) -> str:
    """Return what a page says about a refusal, in its language."""
    if isinstance(refusal, TooManyAttempts):
        return _("Too many attempts to log in. Try again in %(seconds)s seconds.") % {"seconds": refusal.wait}
    return _("Too many logins are in progress. Try again in %(seconds)s seconds.") % {"seconds": refusal.wait}


@dataclass(frozen=True)
class LoginAttempt:
    """One counted attempt."""

    counted: list[tuple[str, datetime]] = field(default_factory=list)

    def give_back(self) -> None:
        """Uncount the attempt: the password was right, or was not checked."""
        for key, began_at in self.counted:
            counter = LoginCounter.objects.filter(key=key, began_at=began_at, attempts__gt=0)
            counter.update(attempts=F("attempts") - 1)


def begin(username: str, address: IPAddress | None, device: str | None) -> LoginAttempt:
    """Count an attempt. `device` is the id of a device known for this account. Raises TooManyAttempts."""
    limits = _limits(username, address, device)
    for counter in LoginCounter.objects.filter(key__in=limits, began_at__gt=timezone.now() - WINDOW):
        if counter.attempts >= limits[counter.key]:
            raise TooManyAttempts(_wait(counter.began_at))  # without a write, since this is most of a flood
    attempt = LoginAttempt()
    for key, limit in limits.items():
        began_at = _count(key, limit)
        if began_at is None:
            attempt.give_back()
            blocking = LoginCounter.objects.filter(key=key).first()
            raise TooManyAttempts(_wait(blocking.began_at if blocking else timezone.now()))
        attempt.counted.append((key, began_at))
    return attempt


def sweep() -> int:
    """Delete counters whose window is over. Returns how many."""
    old = LoginCounter.objects.filter(began_at__lte=timezone.now() - WINDOW).order_by("began_at")
    count, _ = LoginCounter.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:SWEPT])).delete()
    return count


def _limits(username: str, address: IPAddress | None, device: str | None) -> dict[str, int]:
    """Return the limit of each counter, the narrowest first, which stops a flood against one account."""
    if device is not None:
        return {_key("device", device, username): FAILURES_PER_DEVICE}
    name, network = username.casefold(), counted_as(address)
    return {
        _key("name and address", name, network): FAILURES_PER_NAME_AND_ADDRESS,
        _key("name", name): FAILURES_PER_NAME,
        _key("address", network): FAILURES_PER_ADDRESS,
    }


def _key(*parts: str) -> str:
    # Hashed: people type passwords into the username field.
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()


def _count(key: str, limit: int) -> datetime | None:
    """Increment a counter below its limit. Returns the beginning of its window; None at the limit."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounts_logincounter AS counter (key, attempts, began_at)
            VALUES (%(key)s, 1, statement_timestamp())
            ON CONFLICT (key) DO UPDATE SET
                attempts = CASE WHEN counter.began_at <= statement_timestamp() - %(window)s::interval
                           THEN 1 ELSE counter.attempts + 1 END,
                began_at = CASE WHEN counter.began_at <= statement_timestamp() - %(window)s::interval
                           THEN statement_timestamp() ELSE counter.began_at END
            WHERE counter.attempts < %(limit)s OR counter.began_at <= statement_timestamp() - %(window)s::interval
            RETURNING began_at
            """,
            {"key": key, "limit": limit, "window": f"{WINDOW.total_seconds()} seconds"},
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _wait(began_at: datetime) -> int:
    """Return the seconds, at least one, until a counter's window is over."""
    return max(1, round((began_at + WINDOW - timezone.now()).total_seconds() + 0.5))
