"""Deliveries that arrive faster than their endpoint takes them, and how long one waits (Little's law)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from events.log.partitions import first_id
from executions.insights.findings import Finding, seconds_text
from executions.models import InsightKind
from webhooks.models import Lane

SPAN = timedelta(minutes=10)
MOST_PENDING, MOST_LANES = 100_000, 100
LEAST_WAITING = 20
"""Due deliveries that wait for their lane."""
LEAST_EXCESS = 1.1
"""Arrivals for each departure."""
LEAST_WAIT_SECONDS = 5.0
FAILURES = 5
"""In a row: the endpoint is failing, which is another finding."""
RATE_NEARLY = 0.9
"""The rate limit holds a lane if departures reach this share of it."""

# Deliveries that wait for their next attempt are not due: the retry schedule holds them, not the lane.
_WAITING = """
SELECT lane_id, count(*) FROM (
  SELECT lane_id FROM webhooks_delivery WHERE status = 'pending' AND due_at <= %(now)s LIMIT %(most)s
) due GROUP BY lane_id HAVING count(*) >= %(least)s ORDER BY 2 DESC LIMIT %(lanes)s
"""
_FLOW = """
SELECT lane_id, count(*) FILTER (WHERE created_at >= %(since)s), count(*) FILTER (WHERE ended_at >= %(since)s)
FROM webhooks_delivery WHERE lane_id = ANY(%(lanes)s) AND (id >= %(first)s OR ended_at >= %(since)s) GROUP BY lane_id
"""


@dataclass(frozen=True, slots=True)
class LaneFlow:
    """Deliveries of a lane within SPAN, and those that wait now."""

    arrived: int
    departed: int
    waiting: int

    @property
    def wait_s(self) -> float | None:
        """Return how long a delivery that arrives now waits, by Little's law; None if none leaves."""
        return self.waiting * SPAN.total_seconds() / self.departed if self.departed else None


def is_full(flow: LaneFlow) -> bool:
    """Return whether the lane takes less than arrives."""
    wait = flow.wait_s
    return (
        flow.waiting >= LEAST_WAITING
        and flow.arrived > LEAST_EXCESS * flow.departed
        and (wait is None or wait >= LEAST_WAIT_SECONDS)
    )


def cause_of(lane: Lane, flow: LaneFlow) -> str:
    """Return what holds the lane: a pause, its rate limit, its limit of attempts at a time, or a slow receiver."""
    endpoint, now = lane.endpoint, timezone.now()
    if lane.not_before and lane.not_before > now:
        return "retry_after"
    assert endpoint is not None
    allowed = endpoint.rate_limit * SPAN.total_seconds() / endpoint.rate_seconds if endpoint.rate_limit else None
    if allowed is not None and flow.departed >= RATE_NEARLY * allowed:
        return "rate_limit"
    return "max_concurrent" if lane.window >= endpoint.max_concurrent else "receiver"


def detect() -> list[Finding]:
    """Return the endpoints whose deliveries pile up though they succeed."""
    now = timezone.now()
    with connection.cursor() as cursor:
        limits = {"most": MOST_PENDING, "least": LEAST_WAITING, "lanes": MOST_LANES}
        cursor.execute(_WAITING, {"now": now, **limits})
        waiting = dict(cursor.fetchall())
        if not waiting:
            return []
        since = now - SPAN
        cursor.execute(_FLOW, {"since": since, "first": first_id(since), "lanes": [*waiting]})
        flows = {lane: LaneFlow(arrived, left, waiting[lane]) for lane, arrived, left in cursor.fetchall()}
    full = [lane for lane, flow in flows.items() if is_full(flow)]
    lanes = Lane.objects.filter(pk__in=full, endpoint__isnull=False, workspace__isnull=False, failures__lt=FAILURES)
    lanes = lanes.filter(endpoint__active=True, endpoint__paused_at__isnull=True).select_related("endpoint")
    return [_finding(lane, flows[lane.pk], now) for lane in lanes if not (lane.open_until and lane.open_until > now)]


def _finding(lane: Lane, flow: LaneFlow, now: datetime) -> Finding:
    endpoint, wait, span = lane.endpoint, flow.wait_s, SPAN.total_seconds()
    assert endpoint is not None
    text = f"{flow.waiting} deliveries wait; {flow.arrived} arrived and {flow.departed} left in {seconds_text(span)}"
    if wait is not None:
        text += f"; a new one waits {seconds_text(wait)}"
    evidence = {
        "n": flow.arrived + flow.departed,
        "span_s": round(span),
        "arrivals_per_s": round(flow.arrived / span, 3),
        "departures_per_s": round(flow.departed / span, 3),
        "waiting": flow.waiting,
        "wait_s": None if wait is None else round(wait, 1),
        "cause": cause_of(lane, flow),
        "attempt_ms": round(lane.slow_ms, 1),
        "attempts_at_a_time": int(lane.window),
        "max_concurrent": endpoint.max_concurrent,
        "rate_limit": endpoint.rate_limit,
    }
    figure = {"value": flow.waiting, "unit": "count", "text": text}
    subject = {"endpoint": str(lane.pk), "name": endpoint.name}
    return Finding(InsightKind.LANE_FULL, lane.workspace_id, str(lane.pk), subject, evidence, figure)
