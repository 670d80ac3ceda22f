"""Template filters of the trace page: names and durations."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def words(name: str) -> str:
    """Return a name without its underscores."""
    return str(name).replace("_", " ")


@register.filter
def percent(number: float) -> str:
    """Return a number in the syntax of CSS."""
    return f"{number:.2f}%"


@register.filter
def span_words(milliseconds: float | None) -> str:
    """Return a duration in a suitable unit."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if milliseconds >= size:
            return f"{milliseconds / size:.1f} {unit}"
    return f"{milliseconds / 1000:.1f} s"
