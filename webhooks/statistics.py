"""How deliveries went: by endpoint and over time. Counted by the database, from what is kept of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from events.log.partitions import first_id
from webhooks.delivery_filter import SLACK

BUCKETS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
MOST_BUCKETS = 1_500
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Figures:
    """Of the deliveries that ended, and of the attempts that began, in a time."""

    delivered: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    attempts_per_delivery: float | None = None
    """Of those that were delivered or failed; None: there are none."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None

    @property
    def success_rate(self) -> float | None:
        """Return the share of delivered ones in those that were delivered or failed; None: there are none."""
        ended = self.delivered + self.failed
        return self.delivered / ended if ended else None


@dataclass(slots=True)
class Statistics:
    """`endpoints` by id, None being ad-hoc deliveries; `series` has every bucket of the time, also the empty ones."""

    total: Figures = field(default_factory=Figures)
    endpoints: dict[UUID | None, Figures] = field(default_factory=dict)
    series: dict[datetime, Figures] = field(default_factory=dict)


# Rows are counted once, and then the counts are added up three times.
_DELIVERIES = """
SELECT grouping(endpoint_id), grouping(bucket), endpoint_id, bucket,
 coalesce(sum(n) FILTER (WHERE status = 'delivered'), 0)::bigint,
 coalesce(sum(n) FILTER (WHERE status = 'failed'), 0)::bigint,
 coalesce(sum(n) FILTER (WHERE status = 'cancelled'), 0)::bigint,
 (sum(made) FILTER (WHERE status <> 'cancelled') / sum(n) FILTER (WHERE status <> 'cancelled'))::float8
FROM (
 SELECT endpoint_id, status, date_bin(%(step)s, ended_at, %(epoch)s) AS bucket, count(*) AS n,
  sum(attempts_made)::numeric AS made
 FROM webhooks_delivery
 WHERE ended_at >= %(since)s AND ended_at < %(until)s AND workspace_id = ANY(%(workspaces)s) {only}
 GROUP BY 1, 2, 3
) AS counted GROUP BY GROUPING SETS ((), (endpoint_id), (bucket))
"""
_ATTEMPTS = """
SELECT grouping(endpoint_id), grouping(bucket), endpoint_id, bucket, count(*),
 percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY total_ms)
FROM (
 SELECT endpoint_id, total_ms, date_bin(%(step)s, started_at, %(epoch)s) AS bucket FROM webhooks_deliveryattempt
 WHERE started_at >= %(since)s AND started_at < %(until)s AND workspace_id = ANY(%(workspaces)s) {only} {ids}
) AS made GROUP BY GROUPING SETS ((), (endpoint_id), (bucket))
"""


def measure(
    workspaces: Collection[UUID],
    since: datetime,
    until: datetime,
    bucket: str = "hour",
    endpoints: Collection[UUID] | None = None,
) -> Statistics:
    """Return how deliveries of these workspaces went, of some endpoints or of all. `bucket` is one of BUCKETS.

    Percentiles are of attempts' `total_ms`. Retention removes what they are counted from.
    """
    found = Statistics(series={moment: Figures() for moment in buckets(since, until, bucket)})
    values: dict[str, Any] = {
        "workspaces": list(workspaces),
        "since": since,
        "until": until,
        "step": BUCKETS[bucket],
        "epoch": _EPOCH,
        "endpoints": None if endpoints is None else list(endpoints),
        "first": first_id(max(since - SLACK, _EPOCH)),
    }
    # An attempt's id is made after it began.
    terms = {"only": "" if endpoints is None else "AND endpoint_id = ANY(%(endpoints)s)", "ids": "AND id >= %(first)s"}
    with connection.cursor() as cursor:
        cursor.execute(_DELIVERIES.format(**terms), values)
        for row in cursor.fetchall():
            figures = _of(found, row)
            figures.delivered, figures.failed, figures.cancelled, figures.attempts_per_delivery = row[4:]
        cursor.execute(_ATTEMPTS.format(**terms), values)
        for row in cursor.fetchall():
            figures = _of(found, row)
            figures.attempts = row[4]
            figures.p50_ms, figures.p95_ms, figures.p99_ms = row[5] or (None, None, None)
    return found


def buckets(since: datetime, until: datetime, bucket: str) -> Iterator[datetime]:
    """Yield the beginnings of the buckets that a time touches."""
    step = BUCKETS[bucket]
    moment = _EPOCH + (since - _EPOCH) // step * step
    while moment < until:
        yield moment
        moment += step


def _of(found: Statistics, row: tuple[Any, ...]) -> Figures:
    """Return the figures that a row is about: of all, of an endpoint, or of a bucket."""
    over_endpoints, over_buckets, endpoint, bucket = row[:4]
    if over_endpoints and over_buckets:
        return found.total
    if over_buckets:
        return found.endpoints.setdefault(endpoint, Figures())
    return found.series.setdefault(bucket, Figures())
