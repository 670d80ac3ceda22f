"""Delivery statistics: the one query behind the pages, the API and the admin.

A delivery counts in the bucket of its `ended_at`, with the status that it ended with; one that was sent again counts
once, by its latest end. An attempt counts in the bucket of its `started_at`. Retention removes both.
"""

from __future__ import annotations

from collections import defaultdict
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
class DeliveryStats:
    """The deliveries that ended, and the attempts that started, within a time."""

    delivered: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    attempts_per_delivery: float | None = None
    """Over the deliveries that were delivered or failed; None: there are none."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None

    @property
    def success_rate(self) -> float | None:
        """Return delivered / (delivered + failed), from 0 to 1; None: there are none."""
        ended = self.delivered + self.failed
        return self.delivered / ended if ended else None

    @property
    def success_percent(self) -> float | None:
        """Return the success rate in percent with one decimal; 100 only if nothing failed."""
        if self.success_rate is None:
            return None
        return min(round(100 * self.success_rate, 1), 99.9) if self.failed else 100.0

    @property
    def latency(self) -> tuple[float, float, float] | None:
        """Return p50, p95 and p99 in milliseconds; None: there are none."""
        if self.p50_ms is None or self.p95_ms is None or self.p99_ms is None:
            return None
        return self.p50_ms, self.p95_ms, self.p99_ms


@dataclass(slots=True)
class Statistics:
    """`endpoints` by id, None being ad-hoc deliveries; `series` has every bucket of the time, also the empty ones.

    `endpoint_series` has only the buckets in which something happened, and is filled only on request.
    """

    total: DeliveryStats = field(default_factory=DeliveryStats)
    endpoints: defaultdict[UUID | None, DeliveryStats] = field(default_factory=lambda: defaultdict(DeliveryStats))
    series: dict[datetime, DeliveryStats] = field(default_factory=dict)
    endpoint_series: dict[tuple[UUID | None, datetime], DeliveryStats] = field(default_factory=dict)


# Rows are counted once; then the counts are added up for each of the grouping sets.
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
 WHERE ended_at >= %(since)s AND ended_at < %(until)s AND origin <> 'trace' {only}
 GROUP BY 1, 2, 3
) AS counted GROUP BY GROUPING SETS ((), (endpoint_id), (bucket){sets})
"""
_ATTEMPTS = """
SELECT grouping(endpoint_id), grouping(bucket), endpoint_id, bucket, count(*),
 percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY total_ms)
FROM (
 SELECT endpoint_id, total_ms, date_bin(%(step)s, started_at, %(epoch)s) AS bucket FROM webhooks_deliveryattempt
 WHERE started_at >= %(since)s AND started_at < %(until)s AND id >= %(first)s {only}
  AND (workspace_id IS NOT NULL
   OR NOT EXISTS (SELECT 1 FROM webhooks_delivery d WHERE d.id = delivery_id AND d.origin = 'trace'))
) AS made GROUP BY GROUPING SETS ((), (endpoint_id), (bucket){sets})
"""


def measure(
    since: datetime,
    until: datetime,
    step: timedelta = BUCKETS["hour"],
    *,
    workspaces: Collection[UUID] | None = None,
    endpoints: Collection[UUID] | None = None,
    endpoint_series: bool = False,
) -> Statistics:
    """Return the statistics of deliveries from `since` up to and without `until`, in buckets of `step`.

    Of these workspaces and endpoints only; None: of all. Percentiles are of the attempts' `total_ms`.
    """
    statistics = Statistics(series={moment: DeliveryStats() for moment in buckets(since, until, step)})
    values: dict[str, Any] = {
        "workspaces": None if workspaces is None else list(workspaces),
        "since": since,
        "until": until,
        "step": step,
        "epoch": _EPOCH,
        "endpoints": None if endpoints is None else list(endpoints),
        "first": first_id(max(since - SLACK, _EPOCH)),  # an attempt's id is made after it started
    }
    only = "" if workspaces is None else "AND workspace_id = ANY(%(workspaces)s) "
    only += "" if endpoints is None else "AND endpoint_id = ANY(%(endpoints)s)"
    terms = {"only": only, "sets": ", (endpoint_id, bucket)" if endpoint_series else ""}
    with connection.cursor() as cursor:
        cursor.execute(_DELIVERIES.format(**terms), values)
        for row in cursor.fetchall():
            stats = _of(statistics, row)
            stats.delivered, stats.failed, stats.cancelled, stats.attempts_per_delivery = row[4:]
        cursor.execute(_ATTEMPTS.format(**terms), values)
        for row in cursor.fetchall():
            stats = _of(statistics, row)
            stats.attempts = row[4]
            stats.p50_ms, stats.p95_ms, stats.p99_ms = row[5] or (None, None, None)
    return statistics


def buckets(since: datetime, until: datetime, step: timedelta) -> Iterator[datetime]:
    """Yield the beginnings of the buckets that a time touches."""
    moment = bucket_of(since, step)
    while moment < until:
        yield moment
        moment += step


def bucket_of(moment: datetime, step: timedelta) -> datetime:
    """Return the beginning of the bucket that a moment is in."""
    return _EPOCH + (moment - _EPOCH) // step * step


def _of(statistics: Statistics, row: tuple[Any, ...]) -> DeliveryStats:
    """Return the stats that a row belongs to: the total, an endpoint, a bucket, or an endpoint's bucket."""
    over_endpoints, over_buckets, endpoint, bucket = row[:4]
    if over_endpoints and over_buckets:
        return statistics.total
    if over_buckets:
        return statistics.endpoints[endpoint]
    if over_endpoints:
        return statistics.series.setdefault(bucket, DeliveryStats())
    return statistics.endpoint_series.setdefault((endpoint, bucket), DeliveryStats())
