"""The chart of the deliveries of the last hours."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webhooks import charts, statistics

HOURS = 48
PATIENCE_MS = 150
"""A chart of more deliveries than can be counted in this time is left out."""


def chart(endpoint_ids: list[UUID] | None = None) -> SafeString:
    """Return the chart of the deliveries that ended in the last hours, by status."""
    until = timezone.now()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            (usual,) = cursor.fetchone()
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(PATIENCE_MS)])
            measured = statistics.measure(until - timedelta(hours=HOURS), until, endpoints=endpoint_ids)
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [usual])
    except OperationalError:
        text = 'There are too many deliveries to draw here. <a href="{}">See the webhooks page.</a>'
        return format_html(f"<p>{text}</p>", reverse("webhooks"))
    return charts.stacked(measured.series, f"Deliveries of the last {HOURS} hours by status")
