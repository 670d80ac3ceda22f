"""Records the results of attempts, many in one transaction, each only if its lease is still valid.

Rows are locked in one order to avoid deadlocks: deliveries by id, then lanes by id.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone

from webhooks.models import Delivery, DeliveryStatus, Origin
from webhooks.sending import circuit_breaker
from webhooks.sending.circuit_breaker import Health
from webhooks.sending.disabling import disable
from webhooks.sending.retry_decision import RetryDecision

logger = logging.getLogger(__name__)

Callback = Callable[[Sequence[Delivery]], None]
_callbacks: list[Callback] = []


def on_end(callback: Callback) -> None:
    """Register a callback for deliveries that have ended and are `awaited`. It runs after the commit.

    It may be called twice, or never if the process dies at that moment: the caller needs a sweep to make up for it.
    """
    _callbacks.append(callback)


def notify_ended(ids: Sequence[UUID]) -> None:
    """Call the callbacks for those of these deliveries that are awaited. Call it after the commit. Never raises."""
    if not ids or not _callbacks:
        return
    ended = list(Delivery.objects.filter(pk__in=ids, awaited=True, ended_at__isnull=False))
    for callback in _callbacks:
        try:
            callback(ended)
        except Exception:
            logger.exception(
                "executions not notified that %d deliveries ended; the next sweep of the scheduler notifies them",
                len(ended),
                extra={"count": len(ended)},
            )


# --- recording --------------------------------------------------------------------------------------------------------


def record(decisions: Sequence[RetryDecision]) -> Callable[[], None]:
    """Record the results of attempts, in the caller's transaction. Returns a function to call after the commit.

    Deliveries that another process has claimed meanwhile are left unchanged.
    """
    now = timezone.now()
    by_id = {each.claimed.id: each for each in decisions}
    recorded: list[tuple[RetryDecision, bool]] = []
    ended: list[UUID] = []
    for pk, status, awaited in _update_deliveries(list(by_id.values()), now):
        each = by_id[pk]
        cancelled = each.status == DeliveryStatus.PENDING and status == DeliveryStatus.CANCELLED
        recorded.append((each, cancelled))
        if awaited and status != DeliveryStatus.PENDING:
            ended.append(pk)
    _copy_attempts(recorded)
    _forget_exported([each for each, _ in recorded])
    failing = _update_lanes([each for each, _ in recorded], now)
    gone = {each.claimed.receiver.endpoint_id for each, _ in recorded if each.gone}

    def after_commit() -> None:
        for endpoint_id in gone:
            if endpoint_id is not None:
                disable(endpoint_id, "The receiver responded with 410 Gone.")
        for endpoint_id, since in failing.items():
            disable(endpoint_id, f"Every attempt since {since:%Y-%m-%d %H:%M} UTC has failed.")
        notify_ended(ended)

    return after_commit


_UPDATE = """
WITH new AS (
  SELECT * FROM unnest(%(ids)s::uuid[], %(tokens)s::int[], %(statuses)s::text[], %(dues)s::timestamptz[],
    %(codes)s::smallint[], %(errors)s::text[], %(uncounted)s::int[])
    AS n(id, token, status, due_at, code, error, uncounted)
), locked AS (
  SELECT d.id FROM webhooks_delivery d JOIN new n ON n.id = d.id AND n.token = d.lease_token
  WHERE d.status = 'sending' ORDER BY d.id FOR NO KEY UPDATE OF d
)
UPDATE webhooks_delivery d SET
  status = CASE WHEN n.status = 'pending' AND d.cancel_requested THEN 'cancelled' ELSE n.status END,
  due_at = COALESCE(n.due_at, d.due_at),
  ended_at = CASE WHEN n.status = 'pending' AND NOT d.cancel_requested THEN NULL ELSE %(now)s END,
  error = CASE WHEN n.status = 'pending' AND d.cancel_requested THEN left('Cancelled. ' || n.error, 500)
    ELSE n.error END,
  status_code = COALESCE(n.code, d.status_code), lease_expires_at = NULL,
  attempts_made = d.attempts_made - n.uncounted
FROM new n, locked WHERE d.id = n.id AND locked.id = d.id
RETURNING d.id, d.status, d.awaited
"""


def _update_deliveries(decisions: Sequence[RetryDecision], now: datetime) -> list[tuple[UUID, str, bool]]:
    if not decisions:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _UPDATE,
            {
                "ids": [each.claimed.id for each in decisions],
                "tokens": [each.claimed.lease_token for each in decisions],
                "statuses": [str(each.status) for each in decisions],
                "dues": [each.due_at for each in decisions],
                "codes": [each.attempt.status if each.attempt else None for each in decisions],
                "errors": [each.error.replace("\0", "�") for each in decisions],
                "uncounted": [int(each.attempt is None) for each in decisions],
                "now": now,
            },
        )
        return list(cursor.fetchall())


def _forget_exported(decisions: Sequence[RetryDecision]) -> None:
    """Remove the spans that have arrived: they can be made again, and would fill the table."""
    exported = [
        each.claimed.id
        for each in decisions
        if each.claimed.origin == Origin.TRACE and each.status == DeliveryStatus.DELIVERED
    ]
    if exported:
        Delivery.objects.filter(pk__in=exported).update(body="")


_COPY = (
    "COPY webhooks_deliveryattempt (id, workspace_id, delivery_id, endpoint_id, number, outcome, started_at, url,"
    " request_headers, status_code, response_headers, response_body, response_truncated, error_class, error,"
    " dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, next_attempt_at, span_due) FROM STDIN"
)


def _copy_attempts(recorded: Sequence[tuple[RetryDecision, bool]]) -> None:
    rows = [_attempt_row(each, cancelled) for each, cancelled in recorded if each.attempt is not None]
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)


def _attempt_row(decision: RetryDecision, cancelled: bool) -> tuple[Any, ...]:
    claimed, attempt = decision.claimed, decision.attempt
    assert attempt is not None
    outcome, timings = "failed" if cancelled else str(decision.outcome), attempt.timings
    return (
        attempt.id, claimed.receiver.workspace_id, claimed.id, claimed.receiver.endpoint_id, claimed.attempts_made,
        outcome, attempt.started_at, attempt.url[:2000], orjson.dumps(attempt.request_headers).decode(),
        attempt.status, orjson.dumps(attempt.response_headers).decode(), attempt.response_body,
        attempt.response_truncated, attempt.error_class, decision.error.replace("\0", "�"),
        timings.dns, timings.connect, timings.tls, timings.first_byte, timings.total,
        None if cancelled else decision.due_at, claimed.has_span,
    )  # fmt: skip


_LANE_FIELDS = (
    '"window"', "failures", "failing_since", "open_until", "opened_times", "slow_ms", "not_before", "succeeded_at",
    "failed_at",
)  # fmt: skip
_LANE_TYPES = (
    "float8",
    "int",
    "timestamptz",
    "timestamptz",
    "int",
    "float8",
    "timestamptz",
    "timestamptz",
    "timestamptz",
)
_LOCK_LANES = (
    f"SELECT id, {', '.join(_LANE_FIELDS)} FROM webhooks_lane WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608
)
_UPDATE_LANES = (
    f"UPDATE webhooks_lane l SET {', '.join(f'{name} = n.{name}' for name in _LANE_FIELDS)}"  # noqa: S608
    f" FROM unnest(%s::uuid[], {', '.join(f'%s::{kind}[]' for kind in _LANE_TYPES)})"
    f" AS n(id, {', '.join(_LANE_FIELDS)}) WHERE l.id = n.id"
)


def _update_lanes(decisions: Sequence[RetryDecision], now: datetime) -> dict[UUID, datetime]:
    """Update the health of the lanes. Returns the endpoints that have failed for too long, and since when."""
    by_lane: defaultdict[UUID, list[RetryDecision]] = defaultdict(list)
    for each in decisions:
        if each.result is not None:
            by_lane[each.claimed.lane_id].append(each)
    if not by_lane:
        return {}
    longest = timedelta(hours=settings.WEBHOOK_DISABLE_AFTER_HOURS)
    failing: dict[UUID, datetime] = {}
    updated: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_LANES, [list(by_lane)])
        for lane_id, *fields in cursor.fetchall():
            results = [each.result for each in by_lane[lane_id] if each.result is not None]
            receiver = by_lane[lane_id][0].claimed.receiver
            most, breaker = receiver.max_concurrent, settings.WEBHOOK_BREAKER_FAILURES
            updated_health = circuit_breaker.after(Health(*fields), results, now, most, breaker)
            if receiver.endpoint_id is not None and any(each.gone for each in by_lane[lane_id]):
                # Nothing more is sent until the endpoint is made inactive, after the commit.
                until = now + timedelta(seconds=circuit_breaker.LONGEST_OPEN_SECONDS)
                updated_health = replace(updated_health, open_until=until, opened_times=1)
            updated.append((lane_id, *astuple(updated_health)))
            since = updated_health.failing_since
            if receiver.endpoint_id is not None and since is not None and now - since >= longest:
                failing[receiver.endpoint_id] = since
        if updated:
            cursor.execute(_UPDATE_LANES, [list(column) for column in zip(*updated, strict=True)])
    return failing
