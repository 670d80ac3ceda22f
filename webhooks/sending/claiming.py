"""Claims the deliveries that this process sends next, in the caller's transaction, without waiting for a lock.

The lanes with due deliveries are found with a skip scan over the index `delivery_due`. Their rows are locked (SKIP
LOCKED, so another process claims from other lanes), and only then are their deliveries in flight counted. So windows
and rate limits hold over all processes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection, transaction

from webhooks.sending.allocation import Allocation, InFlight, LaneSnapshot, allocate
from webhooks.sending.claimed_delivery import ClaimedDelivery, ReceiverConfig
from webhooks.sending.lanes import open_lane, open_missing_lanes, reset_lane
from webhooks.sending.traceparents import set_traceparents

__all__ = ["ClaimResult", "Claimer", "is_something_due", "open_lane", "open_missing_lanes", "reset_lane"]

MOST_LANES = 200
"""Lanes scanned in one transaction; the next claim continues after them."""
MOST_STREAMS = 200
"""Streams of an ordered endpoint whose first unended delivery is read in one transaction."""
_NOTHING = UUID(int=0)


@dataclass(slots=True)
class ClaimResult:
    """The result of one claim."""

    claimed: list[ClaimedDelivery]
    allocations: dict[UUID, Allocation]
    again_seconds: float | None
    """The seconds until a rate limit allows more; None: no rate limit does."""
    more: bool
    """Whether there is probably more to claim now."""


class Claimer:
    """Claims for one process. It remembers the last lane that it scanned, so that every lane has its turn."""

    def __init__(self) -> None:
        self._after = _NOTHING
        self._streams: dict[UUID, str] = {}

    def claim(self, in_flight: Mapping[UUID, InFlight], threads: int, slow_threads: int) -> ClaimResult:
        """Claim what may be sent now. Call it in a transaction, which keeps the locks."""
        began = time.monotonic()
        lanes, wrapped = self._lock_lanes()
        allocations, again = allocate(_with_counts(lanes), in_flight, threads, slow_threads)
        receivers = {lane.id: lane.receiver for lane in lanes}
        unordered = {pk: each.claims for pk, each in allocations.items() if each.claims and not receivers[pk].ordered}
        ordered = {pk: each.claims for pk, each in allocations.items() if each.claims and receivers[pk].ordered}
        rows = _take(unordered) + [row for pk, n in ordered.items() for row in self._take_heads(pk, n)]
        claimed = [_claimed(row, receivers[row[1]], began + settings.LEASE_SECONDS) for row in rows]
        claimed.sort(key=lambda each: (each.rank, each.due_at, each.id))
        _spend(allocations, claimed)
        set_traceparents(claimed)
        return ClaimResult(claimed, allocations, again, bool(claimed) or not wrapped)

    def _lock_lanes(self) -> tuple[list[LaneSnapshot], bool]:
        """Lock the next lanes with due deliveries that may be sent. Returns them, and whether these were all."""
        with connection.cursor() as cursor:
            cursor.execute(_BY_INDEX)
            cursor.execute(_LANES, {"after": self._after, "most": MOST_LANES})
            rows = cursor.fetchall()
        last, scanned = (rows[0][0], rows[0][1]) if rows else (None, 0)
        wrapped = scanned < MOST_LANES
        began_behind = self._after != _NOTHING
        self._after = _NOTHING if wrapped or last is None else last
        lanes = [_lane(row[2:]) for row in rows if row[2] is not None]
        return lanes, wrapped and not began_behind

    def _take_heads(self, lane_id: UUID, most: int) -> list[tuple[Any, ...]]:
        """Claim from an ordered lane: of each stream only the first delivery, and only when it is due."""
        with connection.cursor() as cursor:
            parameters: dict[str, Any] = {
                "lane": lane_id,
                "after": self._streams.get(lane_id, ""),
                "most": MOST_STREAMS,
                "limit": most,
                "lease": settings.LEASE_SECONDS,
            }
            cursor.execute(_LAST_STREAM, parameters)
            scanned, last = cursor.fetchone()
            cursor.execute(_TAKE_HEADS, parameters)
            rows = cursor.fetchall()
        # With few streams each scan starts at the first; with many it continues where the last one ended.
        self._streams[lane_id] = last if scanned == MOST_STREAMS else ""
        return list(rows)


# The statistics of the planner are minutes old; meanwhile thousands of rows may have become pending, or none.
_BY_INDEX = "SET LOCAL enable_seqscan = off"
# The first two columns say how far the scan came; they are returned even if no lane can be locked.
_LANES = """
WITH RECURSIVE ids(lane_id, n) AS (
  (SELECT lane_id, 1 FROM webhooks_delivery WHERE status = 'pending' AND lane_id > %(after)s
   ORDER BY lane_id LIMIT 1)
  UNION ALL
  (SELECT next.lane_id, ids.n + 1 FROM ids, LATERAL (
     SELECT d.lane_id FROM webhooks_delivery d WHERE d.status = 'pending' AND d.lane_id > ids.lane_id
     ORDER BY d.lane_id LIMIT 1) next
   WHERE ids.n < %(most)s)
), due AS (
  SELECT lane_id FROM ids WHERE EXISTS (
    SELECT 1 FROM (VALUES (0::smallint), (1::smallint), (2::smallint)) r(rank), LATERAL (
      SELECT d.due_at FROM webhooks_delivery d WHERE d.status = 'pending' AND d.lane_id = ids.lane_id
      AND d.rank = r.rank ORDER BY d.due_at LIMIT 1) first
    WHERE first.due_at <= statement_timestamp())
), locked AS (
  SELECT l.id, l.workspace_id, l."window", l.failures, l.opened_times, l.slow_ms, l.tokens,
    extract(epoch FROM clock_timestamp() - l.tokens_at)::float8 AS tokens_seconds, l.endpoint_id
  FROM webhooks_lane l LEFT JOIN webhooks_endpoint e ON e.id = l.endpoint_id
  WHERE l.id IN (SELECT lane_id FROM due)
    AND (l.open_until IS NULL OR l.open_until <= statement_timestamp())
    AND (l.not_before IS NULL OR l.not_before <= statement_timestamp())
    AND (l.endpoint_id IS NULL OR (e.active AND e.paused_at IS NULL AND e.deleted_at IS NULL))
  FOR NO KEY UPDATE OF l SKIP LOCKED
), scanned AS (
  SELECT (SELECT lane_id FROM ids ORDER BY n DESC LIMIT 1) AS last, (SELECT count(*) FROM ids) AS n
)
SELECT s.last, s.n, l.id, l.workspace_id, l."window", l.failures, l.opened_times, l.slow_ms, l.tokens,
  l.tokens_seconds, e.id, e.url, e.method, e.filter, e.transform, e.sealed, e.retry_policy::text, e.timeout_seconds,
  e.rate_limit, e.rate_seconds, e.max_concurrent, e.ordering, e.follow_redirects
FROM scanned s LEFT JOIN locked l ON true LEFT JOIN webhooks_endpoint e ON e.id = l.endpoint_id
"""
_NAMES = (
    "id", "lane_id", "execution_id", "workflow_id", "origin", "rank", "due_at", "method", "url", "sealed", "options",
    "content_type", "body", "prepared", "awaited", "attempts_made", "attempts_before", "lease_token",
)  # fmt: skip
_COLUMNS = ", ".join(f"d.{name}::text" if name == "options" else f"d.{name}" for name in _NAMES)
_CLAIM = f"""
UPDATE webhooks_delivery d SET status = 'sending', attempts_made = d.attempts_made + 1,
  lease_token = d.lease_token + 1, lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
FROM locked WHERE d.id = locked.id RETURNING {_COLUMNS}
"""  # noqa: S608 - names of columns
_TAKE = f"""
WITH requested AS (SELECT * FROM unnest(%(lanes)s::uuid[], %(counts)s::int[]) AS w(lane_id, n)), picked AS (
  SELECT p.id FROM requested w, LATERAL (
    SELECT x.id FROM (VALUES (0::smallint), (1::smallint), (2::smallint)) r(rank), LATERAL (
      SELECT d.id, d.rank, d.due_at FROM webhooks_delivery d
      WHERE d.status = 'pending' AND d.lane_id = w.lane_id AND d.rank = r.rank AND d.due_at <= statement_timestamp()
      ORDER BY d.due_at LIMIT w.n) x
    ORDER BY x.rank, x.due_at LIMIT w.n) p
), locked AS (
  SELECT d.id FROM webhooks_delivery d WHERE d.id IN (SELECT id FROM picked) AND d.status = 'pending'
  FOR NO KEY UPDATE OF d SKIP LOCKED
) {_CLAIM}
"""  # noqa: S608
_HEADS = """
WITH RECURSIVE streams(ordering_key, n) AS (
  (SELECT ordering_key, 1 FROM webhooks_delivery WHERE lane_id = %(lane)s AND status IN ('pending', 'sending')
   AND ordering_key <> '' AND ordering_key > %(after)s ORDER BY ordering_key LIMIT 1)
  UNION ALL
  (SELECT next.ordering_key, streams.n + 1 FROM streams, LATERAL (
     SELECT d.ordering_key FROM webhooks_delivery d WHERE d.lane_id = %(lane)s AND d.status IN ('pending', 'sending')
     AND d.ordering_key <> '' AND d.ordering_key > streams.ordering_key ORDER BY d.ordering_key LIMIT 1) next
   WHERE streams.n < %(most)s)
)
"""
_LAST_STREAM = (
    f"{_HEADS} SELECT count(*), COALESCE((SELECT ordering_key FROM streams ORDER BY n DESC LIMIT 1), '')"  # noqa: S608
    " FROM streams"
)
_TAKE_HEADS = f"""{_HEADS}, heads AS (
  SELECT head.* FROM streams, LATERAL (
    SELECT d.id, d.rank, d.due_at, d.status FROM webhooks_delivery d WHERE d.lane_id = %(lane)s
    AND d.status IN ('pending', 'sending') AND d.ordering_key <> '' AND d.ordering_key = streams.ordering_key
    ORDER BY d.sequence, d.id LIMIT 1) head
), picked AS (
  SELECT id FROM (
    SELECT id, rank, due_at FROM heads WHERE status = 'pending' AND due_at <= statement_timestamp()
    UNION ALL
    (SELECT d.id, d.rank, d.due_at FROM webhooks_delivery d WHERE d.status = 'pending' AND d.lane_id = %(lane)s
     AND d.due_at <= statement_timestamp() AND d.ordering_key = '' LIMIT %(limit)s)
  ) x ORDER BY rank, due_at, id LIMIT %(limit)s
), locked AS (
  SELECT d.id FROM webhooks_delivery d WHERE d.id IN (SELECT id FROM picked) AND d.status = 'pending'
  FOR NO KEY UPDATE OF d SKIP LOCKED
) {_CLAIM}
"""  # noqa: S608

NEXT_DUE = """
WITH RECURSIVE ids(lane_id) AS (
  (SELECT lane_id FROM webhooks_delivery WHERE status = 'pending' ORDER BY lane_id LIMIT 1)
  UNION ALL
  (SELECT next.lane_id FROM ids, LATERAL (
     SELECT d.lane_id FROM webhooks_delivery d WHERE d.status = 'pending' AND d.lane_id > ids.lane_id
     ORDER BY d.lane_id LIMIT 1) next)
)
SELECT min(first.due_at) FROM ids, (VALUES (0::smallint), (1::smallint), (2::smallint)) r(rank), LATERAL (
  SELECT d.due_at FROM webhooks_delivery d WHERE d.status = 'pending' AND d.lane_id = ids.lane_id AND d.rank = r.rank
  ORDER BY d.due_at LIMIT 1) first
"""
"""When the next pending delivery is due, as SQL, regardless of lanes that are paused or full."""


def _lane(row: tuple[Any, ...]) -> LaneSnapshot:
    lane_id, workspace_id, window, failures, opened, slow_ms, tokens, tokens_seconds, endpoint_id, *rest = row
    if endpoint_id is None:
        receiver = ReceiverConfig(lane_id, workspace_id)
    else:
        url, method, filter_, transform, sealed, policy, timeout, limit, seconds, most, ordering, follows = rest
        receiver = ReceiverConfig(
            lane_id, workspace_id, endpoint_id, url, method, filter_, transform, bytes(sealed), policy, timeout,
            limit, seconds, most, ordering == "per_stream", follows,
        )  # fmt: skip
    return LaneSnapshot(receiver, window, failures, opened, slow_ms, tokens, tokens_seconds)


def _with_counts(lanes: Sequence[LaneSnapshot]) -> list[LaneSnapshot]:
    """Add the number in flight to each lane, in a separate statement that sees what was committed before the locks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lane_id, count(*) FROM webhooks_delivery WHERE status = 'sending' AND lane_id = ANY(%s)"
            " GROUP BY lane_id",
            [[lane.id for lane in lanes]],
        )
        counts = dict(cursor.fetchall())
    return [replace(lane, sending=counts.get(lane.id, 0)) for lane in lanes]


def _take(claims: Mapping[UUID, int]) -> list[tuple[Any, ...]]:
    if not claims:
        return []
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {
            "lanes": list(claims),
            "counts": list(claims.values()),
            "lease": settings.LEASE_SECONDS,
        }
        cursor.execute(_TAKE, parameters)
        return list(cursor.fetchall())


def _claimed(row: tuple[Any, ...], receiver: ReceiverConfig, lease_until: float) -> ClaimedDelivery:
    values = dict(zip(_NAMES, row, strict=True))
    values["options"] = orjson.loads(values["options"]) if values["options"] else None
    return ClaimedDelivery(**values, receiver=receiver, lease_until=lease_until)


def _spend(allocations: Mapping[UUID, Allocation], claimed: Sequence[ClaimedDelivery]) -> None:
    """Store the tokens that are left of the rate limits."""
    left = {pk: each.tokens + each.claims for pk, each in allocations.items() if each.tokens is not None}
    for each in claimed:
        if each.lane_id in left:
            left[each.lane_id] -= 1
    if left:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE webhooks_lane l SET tokens = n.tokens, tokens_at = clock_timestamp()"
                " FROM unnest(%s::uuid[], %s::float8[]) AS n(id, tokens) WHERE l.id = n.id",
                [list(left), list(left.values())],
            )


def is_something_due() -> bool:
    """Return whether deliveries are due, regardless of windows and rate limits."""
    after = _NOTHING
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_BY_INDEX)
        while True:
            cursor.execute(_LANES.replace("FOR NO KEY UPDATE OF l SKIP LOCKED", ""), {"after": after, "most": 1000})
            rows = cursor.fetchall()
            if any(row[2] is not None for row in rows):
                return True
            if not rows or rows[0][1] < 1000:
                return False
            after = rows[0][0]
