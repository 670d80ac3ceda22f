"""Webhooks in figures, as Prometheus reads them: of all processes together, since they are asked of the database.

No figure names an endpoint or a workspace: whoever may read the figures need not be a member of any.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection
from django.http import HttpRequest, HttpResponse

from workflow_platform.core.accounts import metrics_access

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Figure(NamedTuple):
    """What a figure is called, what it says, and where it is found."""

    name: str
    kind: str
    help: str
    query: str
    removed: str = ""
    """The field of RemovedTotals that says how many retention has removed of what is counted."""


_ATTEMPTS = "SELECT count(*) FROM webhooks_deliveryattempt WHERE "
FIGURES = (
    Figure(
        "webhooks_queued_total", "counter", "Deliveries that were made.",
        "SELECT count(*) FROM webhooks_delivery", "deliveries",
    ),
    Figure(
        "webhooks_delivered_total", "counter", "Attempts that delivered.",
        f"{_ATTEMPTS} outcome = 'delivered'", "delivered",
    ),
    Figure(
        "webhooks_failed_total", "counter", "Attempts after which a delivery had failed for good.",
        f"{_ATTEMPTS} outcome = 'failed'", "failed",
    ),
    Figure(
        "webhook_retry_attempts_total", "counter", "Attempts after the first one of their delivery.",
        f"{_ATTEMPTS} number > 1", "retries",
    ),
    Figure(
        "webhooks_pending", "gauge", "Deliveries that wait to be sent.",
        "SELECT count(*) FROM webhooks_delivery WHERE status = 'pending'",
    ),
    Figure(
        "webhooks_sending", "gauge", "Deliveries that are being sent.",
        "SELECT count(*) FROM webhooks_delivery WHERE status = 'sending'",
    ),
    Figure(
        "webhook_inbound_requests_total", "counter", "Requests to /hooks/ that were logged.",
        "SELECT count(*) FROM webhooks_inboundrequest", "inbound",
    ),
    Figure(
        "webhooks_unreconciled", "gauge", "Events whose deliveries are missing, doubled or not due.",
        "SELECT COALESCE(sum(violations), 0) FROM webhooks_hourcount",
    ),
    Figure(
        "webhooks_reconciled_timestamp_seconds", "gauge", "When deliveries were last held against history.",
        "SELECT COALESCE(extract(epoch FROM max(checked_at)), 0) FROM webhooks_hourcount",
    ),
)  # fmt: skip


def lines() -> list[str]:
    """Return the figures as lines of Prometheus' text format, of one moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(map(_term, FIGURES)))
        values = cursor.fetchone()
    found = []
    for figure, value in zip(FIGURES, values, strict=True):
        found += [
            f"# HELP {figure.name} {figure.help}",
            f"# TYPE {figure.name} {figure.kind}",
            f"{figure.name} {value}",
        ]
    return found


def show(request: HttpRequest) -> HttpResponse:
    """Answer with the figures, to those who may read them."""
    if (refusal := metrics_access.metrics_refusal(request)) is not None:
        return refusal
    return HttpResponse("\n".join([*lines(), ""]), content_type=CONTENT_TYPE)


def _term(figure: Figure) -> str:
    if not figure.removed:
        return f"({figure.query})"
    return f"({figure.query}) + COALESCE((SELECT {figure.removed} FROM webhooks_removedtotals), 0)"  # noqa: S608
