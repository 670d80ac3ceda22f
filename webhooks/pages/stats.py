"""How endpoints do: rates, counts and percentiles by time, for the pages. Callers have checked who may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count

from events.log.partitions import first_id
from webhooks.delivery_filter import SLACK
from webhooks.models import Delivery, DeliveryStatus
from webhooks.models.delivery import UNENDED
from workflow_platform.core import charts

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
SHOWN = [DeliveryStatus.DELIVERED.value, DeliveryStatus.FAILED.value, DeliveryStatus.CANCELLED.value, "pending"]


@dataclass(frozen=True, slots=True)
class Span:
    """A time up to now, in steps."""

    label: str
    step: timedelta
    steps: int
    format: str

    def begins(self, now: datetime) -> datetime:
        """Return when its first step begins."""
        return _EPOCH + (now - _EPOCH) // self.step * self.step - self.step * (self.steps - 1)

    def moments(self, now: datetime) -> list[datetime]:
        """Return when each step begins."""
        return [self.begins(now) + self.step * index for index in range(self.steps)]


SPANS = {
    "24h": Span("24 hours", timedelta(hours=1), 24, "%H:%M"),
    "7d": Span("7 days", timedelta(hours=6), 28, "%b %-d, %H:%M"),
    "30d": Span("30 days", timedelta(days=1), 30, "%b %-d"),
}

_DELIVERIES = """
    SELECT endpoint_id, date_bin(%(step)s, created_at, %(epoch)s) AS moment,
           CASE WHEN status = 'sending' THEN 'pending' ELSE status END AS name, count(*), sum(attempts_made)
    FROM webhooks_delivery
    WHERE endpoint_id = ANY(%(endpoints)s) AND id >= %(first)s AND created_at >= %(since)s
    GROUP BY 1, 2, 3"""
# Of each step, and of all of them (moment is null).
_LATENCIES = """
    SELECT endpoint_id, date_bin(%(step)s, started_at, %(epoch)s) AS moment,
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY total_ms)
    FROM webhooks_deliveryattempt
    WHERE endpoint_id = ANY(%(endpoints)s) AND id >= %(first)s AND started_at >= %(since)s AND total_ms IS NOT NULL
    GROUP BY GROUPING SETS ((endpoint_id, moment), (endpoint_id))"""


@dataclass(slots=True)
class Figures:
    """What an endpoint did in a span. `counts`: by step and status; percentiles are (p50, p95, p99) in milliseconds."""

    counts: dict[datetime, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    latencies: dict[datetime, tuple[float, ...]] = field(default_factory=dict)
    latency: tuple[float, ...] | None = None
    ended: int = 0
    attempts: int = 0

    def total(self, name: str) -> int:
        """Return how many deliveries of the span have a status."""
        return sum(each.get(name, 0) for each in self.counts.values())

    @property
    def delivered(self) -> int:
        """Return how many were delivered."""
        return self.total("delivered")

    @property
    def failed(self) -> int:
        """Return how many failed."""
        return self.total("failed")

    @property
    def success(self) -> float | None:
        """Return the percentage delivered of those delivered or failed, None where there are none."""
        return rate(self.delivered, self.failed)

    @property
    def attempts_per_delivery(self) -> float | None:
        """Return how many attempts a delivery took that was delivered or failed."""
        return self.attempts / self.ended if self.ended else None


def rate(good: int, bad: int) -> float | None:
    """Return a percentage; 100 only where nothing failed."""
    if not good + bad:
        return None
    exact = 100 * good / (good + bad)
    return min(round(exact, 1), 99.9) if bad else 100.0


def figures(endpoints: Collection[UUID], span: Span, now: datetime) -> Mapping[UUID, Figures]:
    """Return the figures of each of the endpoints."""
    since = span.begins(now)
    values: dict[str, Any] = {
        "endpoints": list(endpoints),
        "step": span.step,
        "epoch": _EPOCH,
        "since": since,
        "first": first_id(since - SLACK),
    }
    found: dict[UUID, Figures] = defaultdict(Figures)
    with connection.cursor() as cursor:
        cursor.execute(_DELIVERIES, values)
        for endpoint, moment, name, count, attempts in cursor.fetchall():
            found[endpoint].counts[moment][name] += count
            if name in {"delivered", "failed"}:
                found[endpoint].ended += count
                found[endpoint].attempts += attempts
        cursor.execute(_LATENCIES, values)
        for endpoint, moment, percentiles in cursor.fetchall():
            if moment is None:
                found[endpoint].latency = tuple(percentiles)
            else:
                found[endpoint].latencies[moment] = tuple(percentiles)
    return found


def pending(endpoints: Collection[UUID]) -> dict[UUID, int]:
    """Return how many deliveries of each endpoint have not ended."""
    waiting = Delivery.objects.filter(lane_id__in=endpoints, status__in=UNENDED).order_by()
    return dict(waiting.values_list("lane_id").annotate(Count("pk")))


def sparkline(found: Figures, span: Span, now: datetime) -> dict[str, Any]:
    """Return what the list of endpoints draws: deliveries by hour, and the p95 over them."""
    moments = span.moments(now)
    counts = [found.counts.get(moment, {}) for moment in moments]
    labels = [f"{moment.strftime(span.format)} UTC" for moment in moments]
    p95 = [found.latencies[moment][1] if moment in found.latencies else None for moment in moments]
    most = max((value for value in p95 if value is not None), default=0) or 1
    return charts.stacked(counts, ["delivered", "failed"], labels) | {"p95": charts.curve(p95, most)}


def drawn(found: Figures, span: Span, now: datetime) -> dict[str, Any]:
    """Return what the page of an endpoint draws, and the same figures as the rows of a table."""
    moments = span.moments(now)
    labels = [moment.strftime(span.format) for moment in moments]
    counts = [found.counts.get(moment, {}) for moment in moments]
    latencies = [found.latencies.get(moment) for moment in moments]
    slowest = charts.rounded_up(max((each[2] for each in latencies if each), default=0))
    success = [rate(each.get("delivered", 0), each.get("failed", 0)) for each in counts]
    curves = {
        name: charts.curve([each[at] if each else None for each in latencies], slowest)
        for at, name in enumerate(("p50", "p95", "p99"))
    }
    return {
        "deliveries": charts.stacked(counts, SHOWN, labels),
        "latency": {
            "most": slowest,
            "curves": list(curves.items()),
        },
        "success": {"curve": charts.curve(success, 100)},
        "axis": [labels[0], labels[len(labels) // 2], labels[-1]],
        "rows": [
            {"label": label, "counts": [each.get(name, 0) for name in SHOWN], "success": good, "latency": latency}
            for label, each, good, latency in zip(labels, counts, success, latencies, strict=True)
            if each or latency
        ],
    }
