"""Moments in templates: `<time>` elements in UTC, which `static/js/moments.js` writes in the time zone of the user."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import zip_longest

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

STYLES = {
    "clock": "%H:%M:%S.%f",
    "time": "%H:%M:%S",
    "minute": "%b %-d, %H:%M",
    "second": "%b %-d, %H:%M:%S",
    "day": "%b %-d, %Y",
    "stamp": "%b %-d, %H:%M:%S.%f",
    "full": "%b %-d, %Y, %H:%M:%S.%f",
}
"""The styles of moments.js, in the syntax of strftime."""
_WRITTEN = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\b")


@register.simple_tag
def moment(value: datetime | str | None, style: str = "minute") -> str:
    """Return a `<time>` that shows a moment in a style."""
    if not (at := _parsed(value)):
        return ""
    return _element(at, format_html('data-at="{}"', style), style)


@register.simple_tag
def ago(value: datetime | str | None, due: str = "") -> str:
    """Return a `<time>` that shows a moment relative to now. With `due`, a moment that has passed is overdue."""
    if not (at := _parsed(value)):
        return ""
    return _element(at, format_html('data-ago="{}"', "due" if due else ""), "minute")


@register.filter
def with_moments(text: str | None) -> str:
    """Return a text whose times (`2026-11-30 18:01:10 UTC`) are `<time>` elements."""
    parts = _WRITTEN.split(text or "")
    moments = [moment(f"{part}+00:00", "second") for part in parts[1::2]]
    return format_html_join("", "{}{}", zip_longest(parts[::2], moments, fillvalue=""))


def _parsed(value: datetime | str | None) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if value else None
    return value.astimezone(UTC) if value else None


def _element(at: datetime, attribute: SafeString, style: str) -> str:
    text = at.strftime(STYLES[style])
    if text.endswith(f".{at.microsecond:06d}"):
        text = text[:-3]  # milliseconds
    return format_html('<time datetime="{}" {}>{} UTC</time>', at.isoformat(), attribute, text)
