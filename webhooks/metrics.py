"""Metrics of webhooks, of the whole installation: they are computed from rows.

No metric names an endpoint or a workspace, since its readers need not be members of any. Each table is read once, by
the smallest index that has the columns, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from workflow_platform.core.metrics.exposition import Family, Kind

_QUERY = """
WITH attempts AS (
  SELECT count(*) FILTER (WHERE outcome = 'delivered') AS delivered,
    count(*) FILTER (WHERE outcome = 'failed') AS failed, count(*) FILTER (WHERE number > 1) AS retries
  FROM webhooks_deliveryattempt
), pending AS (
  SELECT count(*) AS n, COALESCE(extract(epoch FROM clock_timestamp() - min(due_at)), 0) AS age
  FROM webhooks_delivery WHERE status = 'pending'
), removed AS (
  SELECT COALESCE(sum(deliveries), 0) AS deliveries, COALESCE(sum(delivered), 0) AS delivered,
    COALESCE(sum(failed), 0) AS failed, COALESCE(sum(retries), 0) AS retries, COALESCE(sum(inbound), 0) AS inbound
  FROM webhooks_removedtotals
)
SELECT (SELECT count(*) FROM webhooks_delivery) + removed.deliveries, attempts.delivered + removed.delivered,
  attempts.failed + removed.failed, attempts.retries + removed.retries,
  (SELECT count(*) FROM webhooks_inboundrequest) + removed.inbound, pending.n, GREATEST(pending.age, 0)::float8,
  (SELECT count(*) FROM webhooks_delivery WHERE status = 'sending'),
  (SELECT count(*) FROM webhooks_lane WHERE open_until > clock_timestamp()),
  (SELECT COALESCE(sum(violations), 0) FROM webhooks_hourcount),
  (SELECT COALESCE(extract(epoch FROM max(checked_at)), 0)::float8 FROM webhooks_hourcount)
FROM attempts, pending, removed
"""
METRICS: tuple[tuple[str, Kind, str], ...] = (
    ("webhooks_queued_total", "counter", "Deliveries created."),
    ("webhooks_delivered_total", "counter", "Successful attempts."),
    ("webhooks_failed_total", "counter", "Attempts after which a delivery failed permanently."),
    ("webhook_retry_attempts_total", "counter", "Attempts after the first one of a delivery."),
    ("webhook_inbound_requests_total", "counter", "Requests to /hooks/ that were logged."),
    ("webhooks_pending", "gauge", "Deliveries that are pending."),
    ("webhooks_overdue_seconds", "gauge", "How long the oldest pending delivery has been due."),
    ("webhooks_sending", "gauge", "Deliveries that are being sent."),
    ("webhook_breakers_open", "gauge", "Receivers whose circuit breaker is open."),
    ("webhooks_unreconciled", "gauge", "Events whose deliveries are missing, duplicate or surplus."),
    ("webhooks_reconciled_timestamp_seconds", "gauge", "When deliveries were last reconciled with history."),
)


def families() -> Iterator[Family]:
    """Yield the metrics of deliveries and inbound requests, read in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_QUERY)
        values = cursor.fetchone()
    for (name, kind, help_text), value in zip(METRICS, values, strict=True):
        yield Family.of(name, kind, help_text, float(value))
