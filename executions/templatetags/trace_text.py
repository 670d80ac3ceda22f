"""Template filters of the trace page: names and durations."""

from __future__ import annotations

from babel.numbers import get_decimal_symbol
from django import template
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

register = template.Library()


KINDS: dict[str, str | Promise] = {
    "inbound": _("inbound"),
    "execution": _("execution"),
    "node_run": _("node run"),
    "event": _("event"),
    "delivery": _("delivery"),
    "attempt": _("attempt"),
}
LEFT_OUT: dict[str, str | Promise] = {
    "executions": _("executions"),
    "node_runs": _("node runs"),
    "deliveries": _("deliveries"),
}

UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms"))
"""Of durations, in milliseconds. Their symbols are the same in all languages."""


@register.filter
def kind_text(kind: str) -> str:
    """Return the word for a kind of rows."""
    return str(KINDS.get(kind, kind))


@register.filter
def left_out_text(name: str) -> str:
    """Return the word for rows that a trace leaves out."""
    return str(LEFT_OUT.get(name, name))


@register.filter
def percent(number: float) -> str:
    """Return a number in the syntax of CSS."""
    return f"{number:.2f}%"


@register.filter
def span_words(milliseconds: float | None) -> str:
    """Return a duration in a suitable unit."""
    if milliseconds is None:
        return ""
    if 10 <= milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    size, unit = next((each for each in UNITS if milliseconds >= each[0]), UNITS[-1])
    number = f"{milliseconds / size:.1f}".replace(".", get_decimal_symbol(get_language() or "en"))
    return f"{number} {unit}"
