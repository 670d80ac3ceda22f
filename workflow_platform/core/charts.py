"""The geometry of charts. Pure: templates draw it as SVG, stretched over `WIDTH` by `HEIGHT`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import floor, log10
from typing import Any

from babel.numbers import format_decimal
from django.utils.translation import get_language, gettext

WIDTH, HEIGHT = 600, 100


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a stacked bar. `fill` is its colour on pages without our style sheets."""

    name: str
    y: float
    height: float
    fill: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar: its segments from the bottom up, and its figures as text."""

    x: float
    width: float
    segments: list[Segment]
    title: str
    at: str = ""
    """The moment when it begins, in ISO 8601, if the chart is over time."""
    figures: str = ""
    """The title without the moment."""


def stacked(
    counts: Sequence[Mapping[str, int]],
    names: Sequence[str],
    labels: Sequence[str | datetime],
    fills: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return `{bars, most}`: one bar for each of `counts`, with a segment for each of `names`, in this order.

    The labels are texts, or moments, which pages show in the time zone of the user. `most` is the end of the scale.
    `templates/_bars.html` draws the bars.
    """
    most = rounded_up(max((sum(each.get(name, 0) for name in names) for each in counts), default=0))
    step = WIDTH / max(1, len(counts))
    bars = []
    for index, (each, label) in enumerate(zip(counts, labels, strict=True)):
        segments, top = [], float(HEIGHT)
        for name in names:
            if count := each.get(name, 0):
                height = max(1.0, count * HEIGHT / most)  # one among thousands stays visible
                top -= height
                fill = (fills or {}).get(name, "")
                segments.append(Segment(name, round(max(0.0, top), 2), round(height, 2), fill))
        figures = ", ".join(_figure(each[name], name) for name in names if each.get(name)) or gettext("none")
        at = label.isoformat() if isinstance(label, datetime) else ""
        text = f"{label:%b %-d, %H:%M} UTC" if isinstance(label, datetime) else label
        bars.append(Bar(round(index * step, 2), round(step * 0.72, 2), segments, f"{text}: {figures}", at, figures))
    return {"bars": bars, "most": most}


def _figure(count: int, name: str) -> str:
    """Return a count and what it counts, a status, in the language of the page."""
    return f"{format_decimal(count, locale=get_language() or 'en')} {gettext(name)}"


def curve(values: Sequence[float | None], most: float) -> str:
    """Return an SVG path through `values` on a scale from 0 to `most`, with a gap for each None.

    A value between two gaps is drawn as a short level line, so that it is visible.
    """
    step = WIDTH / max(1, len(values))
    words: list[str] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        x, y = (index + 0.5) * step, HEIGHT - min(value, most) * HEIGHT / (most or 1)
        begins = index == 0 or values[index - 1] is None
        ends = index + 1 == len(values) or values[index + 1] is None
        if begins and ends:
            words.append(f"M{x - step * 0.3:.1f} {y:.1f}H{x + step * 0.3:.1f}")
        else:
            words.append(f"{'M' if begins else 'L'}{x:.1f} {y:.1f}")
    return "".join(words)


def rounded_up(value: float) -> float:
    """Return the end of a scale for `value`: the next of 1, 2, 5, 10, 20, 50 …"""
    if value <= 1:
        return 1
    size = 10.0 ** floor(log10(value))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= value)
