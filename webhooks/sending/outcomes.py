"""What came of attempts is written: many in one transaction, each only if its lease still holds.

Rows are locked deliveries first and then lanes, each by id, so that processes that record at once do not wait for each
other in a circle.
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

from webhooks.models import Delivery, DeliveryStatus
from webhooks.sending import circuit_breaker
from webhooks.sending.circuit_breaker import Health
from webhooks.sending.disabling import disable
from webhooks.sending.retry_decision import Decided

logger = logging.getLogger(__name__)

Callback = Callable[[Sequence[Delivery]], None]
_callbacks: list[Callback] = []


def on_end(callback: Callback) -> None:
    """Call back, after the commit, with deliveries that have ended and that somebody waits for (`awaited`).

    It may come twice, and not at all if the process dies at that moment: a sweep of the caller's own makes up for it.
    """
    _callbacks.append(callback)


def tell_of_ends(ids: Sequence[UUID]) -> None:
    """Tell who waits how these deliveries have ended. Call it after the commit; never raises."""
    if not ids or not _callbacks:
        return
    ended = list(Delivery.objects.filter(pk__in=ids, awaited=True, ended_at__isnull=False))
    for callback in _callbacks:
        try:
            callback(ended)
        except Exception:
            logger.exception("the ends of %d deliveries were not told", len(ended))


# --- recording --------------------------------------------------------------------------------------------------------


def record(decided: Sequence[Decided]) -> Callable[[], None]:
    """Write what came of attempts, in the caller's transaction. Returns what is to be done after its commit.

    What somebody else has claimed meanwhile is left as it is.
    """
    now = timezone.now()
    by_id = {each.claimed.id: each for each in decided}
    kept: list[tuple[Decided, bool]] = []
    ended: list[UUID] = []
    for pk, status, awaited in _update_deliveries(list(by_id.values()), now):
        each = by_id[pk]
        cancelled = each.status == DeliveryStatus.PENDING and status == DeliveryStatus.CANCELLED
        kept.append((each, cancelled))
        if awaited and status != DeliveryStatus.PENDING:
            ended.append(pk)
    _copy_attempts(kept)
    failing = _update_lanes([each for each, _ in kept], now)
    gone = {each.claimed.receiver.endpoint_id for each, _ in kept if each.gone}

    def after_commit() -> None:
        for endpoint_id in gone:
            if endpoint_id is not None:
                disable(endpoint_id, "The receiver answered 410 Gone.")
        for endpoint_id, since in failing.items():
            disable(endpoint_id, f"Every attempt since {since:%Y-%m-%d %H:%M} UTC has failed.")
        tell_of_ends(ended)

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


def _update_deliveries(decided: Sequence[Decided], now: datetime) -> list[tuple[UUID, str, bool]]:
    if not decided:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _UPDATE,
            {
                "ids": [each.claimed.id for each in decided],
                "tokens": [each.claimed.lease_token for each in decided],
                "statuses": [str(each.status) for each in decided],
                "dues": [each.due_at for each in decided],
                "codes": [each.attempt.status if each.attempt else None for each in decided],
                "errors": [each.error.replace("\0", "�") for each in decided],
                "uncounted": [int(each.attempt is None) for each in decided],
                "now": now,
            },
        )
        return list(cursor.fetchall())


_COPY = (
    "COPY webhooks_deliveryattempt (id, workspace_id, delivery_id, endpoint_id, number, outcome, started_at, url,"
    " request_headers, status_code, response_headers, response_body, response_truncated, error_class, error,"
    " dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, next_attempt_at) FROM STDIN"
)


def _copy_attempts(kept: Sequence[tuple[Decided, bool]]) -> None:
    rows = [_attempt_row(each, cancelled) for each, cancelled in kept if each.attempt is not None]
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)


def _attempt_row(decided: Decided, cancelled: bool) -> tuple[Any, ...]:
    claimed, attempt = decided.claimed, decided.attempt
    assert attempt is not None
    outcome = "failed" if cancelled else str(decided.outcome)
    return (
        attempt.id, claimed.receiver.workspace_id, claimed.id, claimed.receiver.endpoint_id, claimed.attempts_made,
        outcome, attempt.started_at, attempt.url[:2000], orjson.dumps(attempt.request_headers).decode(),
        attempt.status, orjson.dumps(attempt.response_headers).decode(), attempt.response_body,
        attempt.response_truncated, attempt.error_class, decided.error.replace("\0", "�"), *astuple(attempt.timings),
        None if cancelled else decided.due_at,
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


def _update_lanes(decided: Sequence[Decided], now: datetime) -> dict[UUID, datetime]:
    """Note how the receivers do. Returns the endpoints that have failed for too long, and since when."""
    by_lane: defaultdict[UUID, list[Decided]] = defaultdict(list)
    for each in decided:
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
            became = circuit_breaker.after(Health(*fields), results, now, most, breaker)
            if receiver.endpoint_id is not None and any(each.gone for each in by_lane[lane_id]):
                # Nothing more goes there until, after the commit, the endpoint is made inactive.
                until = now + timedelta(seconds=circuit_breaker.LONGEST_OPEN_SECONDS)
                became = replace(became, open_until=until, opened_times=1)
            updated.append((lane_id, *astuple(became)))
            since = became.failing_since
            if receiver.endpoint_id is not None and since is not None and now - since >= longest:
                failing[receiver.endpoint_id] = since
        if updated:
            cursor.execute(_UPDATE_LANES, [list(column) for column in zip(*updated, strict=True)])
    return failing
