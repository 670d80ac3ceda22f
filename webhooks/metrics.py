"""Metrics of webhooks, of the whole installation: they are computed from rows.

No metric names an endpoint or a workspace, since its readers need not be members of any. Deliveries of spans to the
collector of traces are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from webhooks.outbox import spans
from workflow_platform.core.metrics.exposition import Family, Kind

_TOTALS = "SELECT name, sum(count)::float8 FROM webhooks_deliverytotal GROUP BY name"
_STATE = """
WITH pending AS (
  SELECT count(*) FILTER (WHERE lane_id <> %(traces)s) AS n, count(*) FILTER (WHERE lane_id = %(traces)s) AS traces,
    extract(epoch FROM clock_timestamp() - min(due_at) FILTER (WHERE lane_id <> %(traces)s)) AS age
  FROM webhooks_delivery WHERE status = 'pending'
)
SELECT pending.n, GREATEST(pending.age, 0)::float8,
  (SELECT count(*) FROM webhooks_delivery WHERE status = 'sending' AND lane_id <> %(traces)s),
  (SELECT count(*) FROM webhooks_lane WHERE open_until > clock_timestamp() AND id <> %(traces)s),
  (SELECT COALESCE(sum(violations), 0) FROM webhooks_hourcount),
  (SELECT COALESCE(extract(epoch FROM max(checked_at)), 0)::float8 FROM webhooks_hourcount),
  pending.traces
FROM pending
"""
COUNTERS: tuple[tuple[str, str, str], ...] = (
    ("webhooks_queued_total", "webhooks_queued", "Deliveries created."),
    ("webhooks_delivered_total", "webhooks_delivered", "Successful attempts."),
    ("webhooks_failed_total", "webhooks_failed", "Attempts after which a delivery failed permanently."),
    ("webhook_retry_attempts_total", "webhooks_retried", "Attempts after the first one of a delivery."),
    ("webhook_inbound_requests_total", "inbound_requests", "Requests to /hooks/ that were logged."),
    ("trace_batches_queued_total", "traces_queued", "Batches of spans for the collector of traces."),
    ("trace_batches_delivered_total", "traces_delivered", "Batches of spans that the collector has accepted."),
    ("trace_batches_failed_total", "traces_failed", "Batches of spans that were given up."),
    ("trace_retry_attempts_total", "traces_retried", "Attempts after the first one of a batch of spans."),
)
GAUGES: tuple[tuple[str, str], ...] = (
    ("webhooks_pending", "Deliveries that are pending."),
    ("webhooks_overdue_seconds", "How long the oldest pending delivery has been due."),
    ("webhooks_sending", "Deliveries that are being sent."),
    ("webhook_breakers_open", "Receivers whose circuit breaker is open."),
    ("webhooks_unreconciled", "Events whose deliveries are missing, duplicate or surplus."),
    ("webhooks_reconciled_timestamp_seconds", "When deliveries were last reconciled with history."),
    ("trace_batches_pending", "Batches of spans that are pending."),
)
METRICS: tuple[tuple[str, Kind, str], ...] = (
    *((name, "counter", text) for name, _, text in COUNTERS),
    *((name, "gauge", text) for name, text in GAUGES),
)


def families() -> Iterator[Family]:
    """Yield the metrics of deliveries and inbound requests."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS)
        totals = dict(cursor.fetchall())
        cursor.execute(_STATE, {"traces": spans.LANE})
        state = cursor.fetchone()
    values = [*(totals.get(total, 0.0) for _, total, _ in COUNTERS), *state]
    for (name, kind, text), value in zip(METRICS, values, strict=True):
        yield Family.of(name, kind, text, float(value or 0))
