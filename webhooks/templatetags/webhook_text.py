"""Filters of the templates of webhooks."""

from __future__ import annotations

from typing import Any

from django import template

from workflow_platform.core.outbound.addresses import shown_url

register = template.Library()


register.filter(shown_url)


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
