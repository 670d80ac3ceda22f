"""Filters of the templates of webhooks."""

from __future__ import annotations

from typing import Any

from django import template

from webhooks.sending import transport

register = template.Library()


@register.filter
def shown_url(url: str) -> str:
    """Return a URL with the values of its query masked, for they may be secrets."""
    return transport.shown_url(url)


@register.filter
def milliseconds(value: float | None) -> str:
    """Return a time as people read it."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


@register.filter
def sorted_items(mapping: Any) -> list[tuple[str, Any]]:
    """Return the pairs of a mapping by name."""
    return sorted(mapping.items(), key=lambda pair: str(pair[0]).lower()) if isinstance(mapping, dict) else []
