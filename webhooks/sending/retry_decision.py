"""What follows from an attempt: delivered, tried again and when, or failed. Nothing is read or written here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from webhooks.models import DeliveryStatus, Outcome
from webhooks.retry_schedule import GONE, LONGEST_RETRY_AFTER
from webhooks.sending.circuit_breaker import Result
from webhooks.sending.message import Claimed, defaults
from webhooks.sending.transport import Attempt

REACHED_NOBODY = frozenset({"refused", "script"})
"""Classes of errors that say nothing of the receiver: what would have been called may not be, or there was no call."""
_PAUSING = frozenset({429, 503})
_LONGEST_ERROR = 500


@dataclass(slots=True)
class Decided:
    """An attempt and what is to be written of it."""

    claimed: Claimed
    attempt: Attempt | None
    """None: there was no call (the filter turned the delivery down)."""
    status: DeliveryStatus
    outcome: Outcome | None
    due_at: datetime | None
    error: str
    result: Result | None
    """What it says of the receiver."""
    gone: bool = False


def decide(claimed: Claimed, attempt: Attempt, now: datetime) -> Decided:
    """Return what follows from an attempt that has ended."""
    error = attempt.error[:_LONGEST_ERROR]
    if attempt.succeeded:
        well = Result(True, True, attempt.timings.total or 0.0)
        return Decided(claimed, attempt, DeliveryStatus.DELIVERED, Outcome.DELIVERED, None, "", well)
    asked = retry_after(attempt.response_headers.get("retry-after", ""), now) if attempt.status else None
    policy = claimed.policy
    if attempt.status is not None:
        again = policy.is_retried(attempt.status)
    else:
        again = attempt.error_class not in REACHED_NOBODY
    result = None
    if attempt.error_class not in REACHED_NOBODY:
        pause = asked if attempt.status in _PAUSING else None
        alive = attempt.status is not None and not policy.is_retried(attempt.status) and attempt.status < 500
        result = Result(False, alive, attempt.timings.total or 0.0, pause)
    delay = policy.delay_after(claimed.attempt, defaults(), asked) if again else None
    if delay is None:
        status, outcome, due = DeliveryStatus.FAILED, Outcome.FAILED, None
    else:
        status, outcome, due = DeliveryStatus.PENDING, Outcome.RETRY, now + timedelta(seconds=delay)
    return Decided(claimed, attempt, status, outcome, due, error, result, attempt.status == GONE)


def broken(claimed: Claimed, attempt: Attempt) -> Decided:
    """Return what follows when the sender itself failed: that is a mistake of ours, and is not made again and again."""
    attempt.error_class, error = "internal", "The sender failed; its log says why."
    return Decided(claimed, attempt, DeliveryStatus.FAILED, Outcome.FAILED, None, error, None)


def turned_down(claimed: Claimed) -> Decided:
    """Return what follows when the endpoint's filter does not want the event."""
    return Decided(claimed, None, DeliveryStatus.CANCELLED, None, None, "Turned down by the filter.", None)


def retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After asks for, as a number or a date (RFC 9110, 10.2.3); None if it is none."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_RETRY_AFTER)
