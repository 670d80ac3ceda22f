"""Deliveries over time, as a chart for the admin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from webhooks.statistics import DeliveryStats
from workflow_platform.core import charts

COLOURS = {"delivered": "#2f9e5b", "failed": "#d64545", "cancelled": "#8a8f98"}
"""Readable on light and dark backgrounds; the admin does not load the style sheets of the pages."""


def stacked(series: Mapping[datetime, DeliveryStats], title: str) -> SafeString:
    """Return the chart with its legend, the oldest bucket on the left."""
    moments = sorted(series)
    counts = [{status: getattr(series[moment], status) for status in COLOURS} for moment in moments]
    context = {
        "title": title,
        "chart": charts.stacked(counts, list(COLOURS), moments, COLOURS),
        "span": (moments[0], moments[-1]) if moments else None,
        "totals": [(status, colour, sum(each[status] for each in counts)) for status, colour in COLOURS.items()],
    }
    return render_to_string("admin/webhooks/_chart.html", context)
