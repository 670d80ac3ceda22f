"""Deliveries over time as an inline SVG: stacked bars, one for each bucket. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from webhooks.statistics import Figures

COLOURS = {"delivered": "#2f9e5b", "failed": "#d64545", "cancelled": "#8a8f98"}
"""Told apart on light and dark ground; the legend names them, and each bar its figures."""
WIDTH, HEIGHT, AXIS = 960, 140, 18
_GAP = 0.15


def stacked(series: Mapping[datetime, Figures], title: str) -> SafeString:
    """Return the chart, the oldest bucket on the left. It fills the width that it is given."""
    moments = sorted(series)
    highest = max((_sum(series[moment]) for moment in moments), default=0)
    step = WIDTH / max(1, len(moments))
    bars = format_html_join(
        "", "{}", ((_bar(series[moment], moment, index * step, step, highest),) for index, moment in enumerate(moments))
    )
    every = max(1, len(moments) // 8)
    labels = format_html_join(
        "",
        '<text x="{}" y="{}">{}</text>',
        (
            (f"{i * step:.1f}", HEIGHT + AXIS - 4, f"{moments[i]:%d %b %H:%M}")
            for i in range(0, len(moments), every)
            if i * step < WIDTH - 80
        ),
    )
    return format_html(
        '<svg class="deliveries" viewBox="0 0 {} {}" role="img" aria-label="{}" style="width:100%;height:auto;'
        'font:11px sans-serif;fill:currentColor">{}<line x1="0" x2="{}" y1="{}" y2="{}" stroke="currentColor" '
        'stroke-opacity=".3"/>{}<text x="0" y="10">{}</text></svg>{}',
        WIDTH, HEIGHT + AXIS, title, bars, WIDTH, HEIGHT, HEIGHT, labels, f"{highest} at most", _legend(series),
    )  # fmt: skip


def _bar(figures: Figures, moment: datetime, x: float, step: float, highest: int) -> SafeString:
    if not _sum(figures):
        return SafeString()
    parts, y = [], float(HEIGHT)
    for status, colour in COLOURS.items():
        count = getattr(figures, status)
        if count:
            height = count / highest * (HEIGHT - 14)
            y -= height
            parts.append(
                (f"{x + step * _GAP / 2:.2f}", f"{y:.2f}", f"{step * (1 - _GAP):.2f}", f"{height:.2f}", colour)
            )
    rects = format_html_join("", '<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>', parts)
    said = ", ".join(f"{getattr(figures, status)} {status}" for status in COLOURS)
    return format_html("<g>{}<title>{}: {}</title></g>", rects, f"{moment:%Y-%m-%d %H:%M} UTC", said)


def _legend(series: Mapping[datetime, Figures]) -> SafeString:
    totals = {status: sum(getattr(each, status) for each in series.values()) for status in COLOURS}
    entries = format_html_join(
        "",
        '<span style="margin-right:1.5em"><span style="display:inline-block;width:.8em;height:.8em;border-radius:2px;'
        'background:{}"></span> {} {}</span>',
        ((colour, totals[status], status) for status, colour in COLOURS.items()),
    )
    return format_html('<p style="margin:.3em 0 1em">{}</p>', entries)


def _sum(figures: Figures) -> int:
    return sum(getattr(figures, status) for status in COLOURS)
