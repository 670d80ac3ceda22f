"""What the installation measures of its database and Redis: now, and what is usual for it.

Each look keeps the histograms of all processes, which only grow. The difference between two of them is what happened in
between: the last minutes, and the day before these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from events.instruments import APPEND_SECONDS, PUBLISH_SECONDS
from executions.instruments import COMMIT_SECONDS
from executions.models import PlatformSample
from workflow_platform.core.instruments import SECONDS
from workflow_platform.core.metrics import store
from workflow_platform.core.metrics.adding import since
from workflow_platform.core.metrics.reporting import REDIS_SECONDS

COMMITS, APPENDS = COMMIT_SECONDS.name, APPEND_SECONDS.name
REDIS, PUBLISHES = REDIS_SECONDS.name, PUBLISH_SECONDS.name
NAMES = (COMMITS, APPENDS, REDIS, PUBLISHES)
NOW = timedelta(minutes=10)
USUAL = timedelta(days=1)
KEPT = USUAL + 2 * NOW

# Parallel workers of a query have a row each too, and are no connections.
_CONNECTIONS = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
"""


@dataclass(frozen=True, slots=True)
class DurationSummary:
    """How long something took: how often it happened, the mean, and the bound that 95 % did not exceed."""

    n: int
    mean_s: float
    p95_s: float

    @classmethod
    def of(cls, values: Sequence[float]) -> DurationSummary:
        """Return the timings of a histogram: its sum, and the counts of its bins."""
        total, counts = (values[0], values[1:]) if values else (0.0, [])
        n, seen, p95 = round(sum(counts)), 0.0, 0.0
        for count, bound in zip(counts, [*SECONDS, 2 * SECONDS[-1]], strict=False):
            seen += count
            p95 = bound
            if n and seen >= 0.95 * n:
                break
        return cls(n, total / n, p95) if n > 0 else cls(0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class PlatformMeasures:
    """The last minutes, of `span_s` seconds, and the day before them."""

    span_s: float
    now: Mapping[str, DurationSummary]
    usual: Mapping[str, DurationSummary]
    connections: int
    most_connections: int


@dataclass(frozen=True, slots=True)
class Slower:
    """Something that takes much longer than usual."""

    now: DurationSummary
    usual: DurationSummary | None
    """None: too little is known; it is slow by any measure."""


def slower(
    measured: PlatformMeasures, name: str, *, least: int, floor_s: float, factor: float, slow_s: float
) -> Slower | None:
    """Return what `name` takes if it is slow: at least `floor_s` and `factor` times the usual mean, or `slow_s` where
    too little is known of what is usual. Nothing is slow below `least` observations."""
    now, usual = measured.now[name], measured.usual[name]
    if now.n < least or now.mean_s < floor_s:
        return None
    if usual.n < least:
        return Slower(now, None) if now.mean_s >= slow_s else None
    return Slower(now, usual) if now.mean_s >= factor * usual.mean_s or now.mean_s >= slow_s else None


def take() -> None:
    """Keep what is measured now, and forget what is older than a day."""
    totals = store.totals()
    used, most = connections()
    kept = {name: totals[name] for name in NAMES if name in totals}
    PlatformSample.objects.create(cumulative=kept, connections=used, most_connections=most)
    PlatformSample.objects.filter(at__lt=timezone.now() - KEPT).delete()


def connections() -> tuple[int, int]:
    """Return how many connections to the database server are in use, and how many it allows."""
    with connection.cursor() as cursor:
        cursor.execute(_CONNECTIONS)
        used, most = cursor.fetchone()
    return int(used), int(most)


def measured() -> PlatformMeasures | None:
    """Return what was measured lately; None if that is not known for as long as NOW."""
    latest = PlatformSample.objects.order_by("-at").first()
    if latest is None:
        return None
    kept = PlatformSample.objects.filter(at__gte=latest.at - KEPT, at__lte=latest.at - NOW)
    first, begin = kept.order_by("at").first(), kept.order_by("-at").first()
    if first is None or begin is None:
        return None
    return PlatformMeasures(
        (latest.at - begin.at).total_seconds(), _between(begin, latest), _between(first, begin), latest.connections,
        latest.most_connections,
    )  # fmt: skip


def _between(one: PlatformSample, other: PlatformSample) -> dict[str, DurationSummary]:
    grown = since(other.cumulative, one.cumulative)
    return {name: DurationSummary.of(grown.get(name, ())) for name in NAMES}
