"""The statistics of endpoints as their pages draw them. Callers have checked who may see them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webhooks import statistics
from webhooks.models import Delivery
from webhooks.models.delivery import UNENDED
from webhooks.statistics import DeliveryStats, Statistics
from workflow_platform.core import charts

SHOWN = ["delivered", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Span:
    """A time range up to now, in steps."""

    label: str | Promise
    step: timedelta
    steps: int

    def begins(self, now: datetime) -> datetime:
        """Return when its first step begins."""
        return statistics.bucket_of(now, self.step) - self.step * (self.steps - 1)

    def moments(self, now: datetime) -> list[datetime]:
        """Return when each step begins."""
        return [self.begins(now) + self.step * index for index in range(self.steps)]


SPANS = {
    "24h": Span(_("24 hours"), timedelta(hours=1), 24),
    "7d": Span(_("7 days"), timedelta(hours=6), 28),
    "30d": Span(_("30 days"), timedelta(days=1), 30),
}


def statistics_of(endpoints: Collection[UUID], span: Span, now: datetime) -> Statistics:
    """Return the statistics of these endpoints within a span."""
    since = span.begins(now)
    return statistics.measure(since, now, span.step, endpoints=endpoints, endpoint_series=True)


def pending(endpoints: Collection[UUID]) -> dict[UUID, int]:
    """Return how many deliveries of each endpoint have not ended."""
    waiting = Delivery.objects.filter(lane_id__in=endpoints, status__in=UNENDED).order_by()
    return dict(waiting.values_list("lane_id").annotate(Count("pk")))


def sparkline(measured: Statistics, endpoint: UUID, span: Span, now: datetime) -> dict[str, Any]:
    """Return the chart of a row in the list of endpoints: deliveries per hour, and the p95."""
    moments = span.moments(now)
    series = [measured.endpoint_series.get((endpoint, moment), DeliveryStats()) for moment in moments]
    p95 = [stats.p95_ms for stats in series]
    most = max((value for value in p95 if value is not None), default=0) or 1
    bars = charts.stacked([_counts(stats) for stats in series], ["delivered", "failed"], moments)
    return bars | {"p95": charts.curve(p95, most)}


def drawn(measured: Statistics, endpoint: UUID, span: Span, now: datetime) -> dict[str, Any]:
    """Return the charts of the page of an endpoint, and the same numbers as rows of a table."""
    moments = span.moments(now)
    series = [measured.endpoint_series.get((endpoint, moment), DeliveryStats()) for moment in moments]
    slowest = charts.rounded_up(max((stats.p99_ms or 0 for stats in series), default=0))
    curves = {
        name: charts.curve([getattr(stats, f"{name}_ms") for stats in series], slowest)
        for name in ("p50", "p95", "p99")
    }
    return {
        "deliveries": charts.stacked([_counts(stats) for stats in series], SHOWN, moments),
        "latency": {"most": slowest, "curves": list(curves.items())},
        "success": {"curve": charts.curve([stats.success_percent for stats in series], 100)},
        "axis": [moments[0], moments[len(moments) // 2], moments[-1]],
        "rows": [
            {
                "at": moment,
                "counts": list(_counts(stats).values()),
                "success": stats.success_percent,
                "latency": stats.latency,
            }
            for moment, stats in zip(moments, series, strict=True)
            if stats != DeliveryStats()
        ],
    }


def _counts(stats: DeliveryStats) -> dict[str, int]:
    return {name: getattr(stats, name) for name in SHOWN}
