"""Decides what follows an attempt: delivered, retried (and when), or failed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from webhooks.models import AttemptOutcome, DeliveryStatus
from webhooks.retry_schedule import GONE, LONGEST_RETRY_AFTER
from webhooks.sending.circuit_breaker import Result
from webhooks.sending.claimed_delivery import ClaimedDelivery, defaults
from webhooks.sending.transport import AttemptResult
from workflow_platform.core import backoff

NOT_SENT_CLASSES = frozenset({"refused", "script"})
"""Error classes of attempts in which no request was sent: they say nothing about the receiver."""
_PAUSING = frozenset({429, 503})
_LONGEST_ERROR = 500


@dataclass(slots=True)
class RetryDecision:
    """An attempt and what to record."""

    claimed: ClaimedDelivery
    attempt: AttemptResult | None
    """None: nothing was sent, because the filter excluded the event."""
    status: DeliveryStatus
    outcome: AttemptOutcome | None
    due_at: datetime | None
    error: str
    result: Result | None
    """What the attempt shows about the receiver; None: nothing."""
    gone: bool = False


def decide(claimed: ClaimedDelivery, attempt: AttemptResult, now: datetime) -> RetryDecision:
    """Decide what follows an attempt that has ended."""
    error = attempt.error[:_LONGEST_ERROR]
    if attempt.succeeded:
        well = Result(True, True, attempt.timings.total or 0.0)
        return RetryDecision(claimed, attempt, DeliveryStatus.DELIVERED, AttemptOutcome.DELIVERED, None, "", well)
    requested_seconds = retry_after(attempt.response_headers.get("retry-after", ""), now) if attempt.status else None
    if attempt.status is not None:
        again = claimed.is_retried(attempt.status)
    else:
        again = attempt.error_class not in NOT_SENT_CLASSES
    result = None
    if attempt.error_class not in NOT_SENT_CLASSES:
        pause = requested_seconds if attempt.status in _PAUSING else None
        alive = attempt.status is not None and not again and attempt.status < 500
        result = Result(False, alive, attempt.timings.total or 0.0, pause)
    delay = claimed.policy.delay_after(claimed.attempt, defaults(), requested_seconds) if again else None
    if delay is None:
        status, outcome, due = DeliveryStatus.FAILED, AttemptOutcome.FAILED, None
    else:
        status, outcome, due = DeliveryStatus.PENDING, AttemptOutcome.RETRY, now + timedelta(seconds=delay)
    return RetryDecision(claimed, attempt, status, outcome, due, error, result, attempt.status == GONE)


def internal_failure(claimed: ClaimedDelivery, attempt: AttemptResult) -> RetryDecision:
    """Decide what follows a failure of the sender itself: the delivery fails, since a retry would fail again."""
    attempt.error_class, error = "internal", "The sender failed with an internal error; see the log of the worker."
    return RetryDecision(claimed, attempt, DeliveryStatus.FAILED, AttemptOutcome.FAILED, None, error, None)


def filtered_out(claimed: ClaimedDelivery) -> RetryDecision:
    """Decide what follows when the endpoint's filter excludes the event."""
    return RetryDecision(
        claimed, None, DeliveryStatus.CANCELLED, None, None, "Excluded by the endpoint's filter.", None
    )


def retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds of a Retry-After, at most LONGEST_RETRY_AFTER; None if it is invalid."""
    seconds = backoff.retry_after(value, now)
    return None if seconds is None else min(seconds, LONGEST_RETRY_AFTER)
