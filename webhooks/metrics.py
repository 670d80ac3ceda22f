"""Prometheus metrics of webhooks, of the whole installation: they are computed from the database.

No metric names an endpoint or a workspace, since its readers need not be members of any.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection
from django.http import HttpRequest, HttpResponse

from workflow_platform.core.accounts import metrics_access

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """A metric: its name, type, help text and query."""

    name: str
    kind: str
    help: str
    query: str
    removed: str = ""
    """The field of RemovedTotals with the number of rows that retention has removed."""


_ATTEMPTS = "SELECT count(*) FROM webhooks_deliveryattempt WHERE "
METRICS = (
    Metric(
        "webhooks_queued_total", "counter", "Deliveries created.",
        "SELECT count(*) FROM webhooks_delivery", "deliveries",
    ),
    Metric(
        "webhooks_delivered_total", "counter", "Successful attempts.",
        f"{_ATTEMPTS} outcome = 'delivered'", "delivered",
    ),
    Metric(
        "webhooks_failed_total", "counter", "Attempts after which a delivery failed permanently.",
        f"{_ATTEMPTS} outcome = 'failed'", "failed",
    ),
    Metric(
        "webhook_retry_attempts_total", "counter", "Attempts after the first one of a delivery.",
        f"{_ATTEMPTS} number > 1", "retries",
    ),
    Metric(
        "webhooks_pending", "gauge", "Deliveries that are pending.",
        "SELECT count(*) FROM webhooks_delivery WHERE status = 'pending'",
    ),
    Metric(
        "webhooks_sending", "gauge", "Deliveries that are being sent.",
        "SELECT count(*) FROM webhooks_delivery WHERE status = 'sending'",
    ),
    Metric(
        "webhook_inbound_requests_total", "counter", "Requests to /hooks/ that were logged.",
        "SELECT count(*) FROM webhooks_inboundrequest", "inbound",
    ),
    Metric(
        "webhooks_unreconciled", "gauge", "Events whose deliveries are missing, duplicate or surplus.",
        "SELECT COALESCE(sum(violations), 0) FROM webhooks_hourcount",
    ),
    Metric(
        "webhooks_reconciled_timestamp_seconds", "gauge", "When deliveries were last reconciled with history.",
        "SELECT COALESCE(extract(epoch FROM max(checked_at)), 0) FROM webhooks_hourcount",
    ),
)  # fmt: skip


def lines() -> list[str]:
    """Return the metrics in the text format of Prometheus, read in one statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(map(_term, METRICS)))
        values = cursor.fetchone()
    lines = []
    for metric, value in zip(METRICS, values, strict=True):
        lines += [
            f"# HELP {metric.name} {metric.help}",
            f"# TYPE {metric.name} {metric.kind}",
            f"{metric.name} {value}",
        ]
    return lines


def show(request: HttpRequest) -> HttpResponse:
    """Answer with the figures, to those who may read them."""
    if (refusal := metrics_access.metrics_refusal(request)) is not None:
        return refusal
    return HttpResponse("\n".join([*lines(), ""]), content_type=CONTENT_TYPE)


def _term(metric: Metric) -> str:
    if not metric.removed:
        return f"({metric.query})"
    return f"({metric.query}) + COALESCE((SELECT {metric.removed} FROM webhooks_removedtotals), 0)"  # noqa: S608
